"""Words that a part of the repository does not use."""

import re
import subprocess
from pathlib import Path

import pytest

from conformance.tests.projects import ROOT

PACKAGE = ROOT / "src" / "flight_delays"
# Words of an earlier dialect; in brackets, so that a search for them does not find this file.
DIALECT = re.compile(
    r"\b(pay it no h[e]ed|what st[a]nds|is t[o]ld|tells rows ap[a]rt|rule of th[u]mb|rehear[s]\w*"
    r"|riv[a]ls?|oppon[e]nts?|cont[e]sts?)\b",
    re.IGNORECASE,
)


def find_mentions(folder: Path, word: str) -> list[str]:
    """List the text files below a folder that hold a word, in any case and any of its forms."""
    form = re.escape(word).replace("_", "[-_ ]")
    pattern = re.compile(rf"(?<![a-z0-9]){form}(?![a-z0-9])", re.IGNORECASE)
    files = [path for path in folder.rglob("*") if path.suffix in {".py", ".yml", ".toml"}]
    assert files, f"no text below {folder}"
    return [str(path) for path in files if pattern.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import some_word", True),
        ("# Some-word's own", True),
        ("title: Some Word", True),
        ("awesome_words", False),
    ],
)
def test_every_form_of_a_word_is_found(text: str, found: bool, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(text)
    assert bool(find_mentions(tmp_path, "some_word")) is found


def test_the_project_never_mentions_the_laptop() -> None:
    assert find_mentions(PACKAGE, "laptop") == []


def test_the_laptop_never_mentions_the_project() -> None:
    assert find_mentions(ROOT / "laptop" / "src", "flight_delays") == []


def test_the_project_imports_itself_by_relative_names_only() -> None:
    absolute = re.compile(r"^\s*(?:from|import) flight_delays\b", re.MULTILINE)
    modules = list(PACKAGE.rglob("*.py"))
    assert modules
    assert [str(path) for path in modules if absolute.search(path.read_text())] == []


def test_no_text_has_words_of_the_dialect() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = [Path(name) for name in listed.stdout.decode().split("\0")]
    texts = [path for path in paths if path.suffix in {".py", ".md", ".yml"}]
    assert len(texts) > 100
    assert [
        f"{path}: {found.group()}"
        for path in texts
        if path.name != "CHANGELOG.md"
        for found in DIALECT.finditer((ROOT / path).read_text())
    ] == []
