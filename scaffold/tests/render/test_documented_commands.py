"""The commands that the documents of a project tell people to run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from laptop import connection
from laptop.state_dir import StateDir

from scaffold.sentinel import PROJECT_NAME
from scaffold.tests.documents import list_commands
from scaffold.tests.rendering import Renderer
from scaffold.tests.repositories import add_all
from scaffold.trees import write_tree

# Run by their own tests or by the CI entry, or never ending.
ELSEWHERE = re.compile(r"^(make (?!compare)|databricks |uv run laptop (?:ui|kafka))")
# The steps start where the demo ends: November known, and scored.
DECEMBER = "as_of=2013-12-01"


@pytest.fixture
def project(renderer: Renderer, tmp_path: Path) -> Path:
    """Return the project of this repository's own answers."""
    write_tree(renderer.render(renderer.own), tmp_path)
    root = tmp_path / renderer.own[PROJECT_NAME]
    add_all(root)
    # A wheel of production is built of what is committed.
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run(["git", *identity, "commit", "--quiet", "-m", "New"], cwd=root, check=True)
    return root


def configure(project: Path, before: str, after: str) -> None:
    """Change conf/outputs.yml as its page tells people to."""
    (file,) = project.glob("src/*/conf/outputs.yml")
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, after))


def select_commands(document: Path) -> list[str]:
    """Return the commands of a page that are run here."""
    return [line for line in list_commands(document) if not ELSEWHERE.match(line)]


def run(lines: list[str], project: Path) -> None:
    """Run commands one after another on a new workspace; each must succeed."""
    # The tests' own environment stands for `uv run`, and for what `make setup` installs.
    script = "\n".join(
        line.replace("uv run ", "").replace("make ", "make -o setup RUN= ") for line in lines
    )
    home, tools = project.parent / "home", Path(sys.executable).parent
    try:
        done = subprocess.run(
            ["sh", "-eux", "-c", script],
            cwd=project,
            env={
                **os.environ,
                "LAPTOP_HOME": str(home),
                "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        connection.stop(StateDir(home))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.nightly
def test_commands_of_the_pages_run_in_their_order(project: Path) -> None:
    readme = select_commands(project / "README.md")
    features = select_commands(project / "docs" / "features.md")
    steps = select_commands(project / "docs" / "first-steps.md")
    outputs = select_commands(project / "docs" / "outputs.md")
    assert len(readme) >= 4
    assert len(features) >= 4
    assert len(steps) >= 4
    assert len(outputs) >= 2
    streaming = select_commands(project / "docs" / "streaming.md")
    assert len(streaming) >= 5
    configure(project, "files: none", "files: parquet")
    refreshed, scored = (
        f"uv run laptop run {job} --params {DECEMBER}"
        for job in ("feature_refresh", "batch_inference")
    )
    run([refreshed, *readme, *features, scored, *outputs, *streaming, *steps], project)
