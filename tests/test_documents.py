"""What the documents tell people to do, done; what they point to, there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from laptop import connection
from laptop.home import Home

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", ".github/*.md", "laptop/*.md")
    for path in ROOT.glob(pattern)
)
# Run by their own tests or by the CI entry, or never ending.
ELSEWHERE = re.compile(r"^(make |databricks |uv run laptop ui)")


def commands_of(document: str) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_of_a_document_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text()
    links = [target for target in re.findall(r"\]\(([^)#]+)", text) if "://" not in target]
    assert [t for t in links if not ((ROOT / document).parent / t).exists()] == []


def test_make_targets_that_documents_name_exist() -> None:
    named = {
        target
        for document in DOCUMENTS
        for line in commands_of(document)
        if line.startswith("make ")
        for target in shlex.split(line)[1:]
        if "=" not in target
    }
    makefile = (ROOT / "Makefile").read_text()
    assert {"demo", "test"} <= named
    assert [target for target in named if not re.search(rf"^{target}:", makefile, re.M)] == []


@pytest.mark.slow
def test_commands_of_the_documents_run_in_their_order(tmp_path: Path) -> None:
    readme, steps = (
        [line for line in commands_of(document) if not ELSEWHERE.match(line)]
        for document in ("README.md", "docs/first-steps.md")
    )
    # The steps start where the demo ends: November known, and scored.
    lines = [
        "uv run laptop run feature_refresh --params as_of=2013-12-01",
        *readme,
        "uv run laptop run batch_inference --params as_of=2013-12-01",
        *steps,
    ]
    # The tests' own environment stands for `uv run`.
    script = "\n".join(line.replace("uv run ", "") for line in lines)
    tools = Path(sys.executable).parent
    done = subprocess.run(
        ["sh", "-eux", "-c", script],
        cwd=ROOT,
        env={
            **os.environ,
            "LAPTOP_HOME": str(tmp_path / "home"),
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=900,
    )
    connection.stop(Home(tmp_path / "home"))
    assert len(readme) >= 4
    assert len(steps) >= 4
    assert done.returncode == 0, done.stdout + done.stderr
