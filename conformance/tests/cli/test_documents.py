"""The commands that the documents give exist in the CLI, with their flags."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from conformance.tests.projects import ROOT

PATTERNS = ("*.md", "docs/*.md", "laptop/*.md", "scaffold/project/*.md")
DOCUMENTS = sorted(path for pattern in PATTERNS for path in ROOT.glob(pattern))
COMMAND = re.compile(
    r"^(?:[A-Z_]+=\S+ )*(?P<line>databricks .*)$|`(?P<inline>databricks [^`…]*)`", re.MULTILINE
)


def list_commands() -> list[str]:
    found = {
        (match["line"] or match["inline"]).strip()
        for document in DOCUMENTS
        for match in COMMAND.finditer(document.read_text())
    }
    return sorted(command for command in found if len(command.split()) > 1)


@pytest.mark.parametrize("command", list_commands())
def test_a_command_of_the_documents_is_the_cli_s(cli: Path, command: str) -> None:
    _, *words = shlex.split(command)
    verbs = words[: next((i for i, w in enumerate(words) if w.startswith("-")), len(words))]
    asked = subprocess.run([cli, *verbs, "--help"], capture_output=True, text=True, timeout=120)
    assert asked.returncode == 0, asked.stderr
    usage = re.search(r"^Usage:\n  databricks (.*)$", asked.stdout, re.MULTILINE)
    assert usage is not None
    said = [word for word in usage.group(1).split() if re.fullmatch(r"[a-z][a-z-]*", word)]
    assert said == verbs[: len(said)]
    # A group of commands does nothing by itself.
    assert "Available Commands:" not in asked.stdout, asked.stdout
    for flag in (word.partition("=")[0] for word in words if word.startswith("-")):
        assert re.search(rf"(^|[ ,]){re.escape(flag)}[ ,]", asked.stdout), f"{flag}: {asked.stdout}"


def test_the_documents_give_commands() -> None:
    assert len(list_commands()) > 40
