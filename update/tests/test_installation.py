"""The command as its users get it: built from this folder, and from a git repository."""

import os
import subprocess
from pathlib import Path

import pytest

from conformance.tests.commands import find_program
from conformance.tests.projects import ROOT, Project
from update.tests.templates import write_files


def install(source: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    uv = find_program("uv", "run `make setup`")
    return subprocess.run(
        [uv, "tool", "run", "--offline", "--from", source, "update-project", "--help"],
        cwd=tmp_path,
        env={**os.environ, "UV_TOOL_DIR": str(tmp_path / "tools"), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def repository(tmp_path: Path) -> str:
    """The address of a repository that holds this folder and a project at its root."""
    copy = Project(tmp_path / "repository")
    names = ("pyproject.toml", "uv.lock", "update/pyproject.toml")
    sources = [*(ROOT / name for name in names), *(ROOT / "update" / "src").rglob("*.py")]
    write_files(copy.root, {str(path.relative_to(ROOT)): path.read_bytes() for path in sources})
    copy.git("init", "--quiet", "--initial-branch", "main")
    copy.commit("Update")
    return f"git+file://{copy.root}#subdirectory=update"


def test_it_is_built_offline_from_its_folder(tmp_path: Path) -> None:
    done = install(str(ROOT / "update"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: update-project [-h] --template TEMPLATE --to TAG")


def test_it_is_built_from_a_repository_whose_root_is_another_project(
    repository: str, tmp_path: Path
) -> None:
    done = install(repository, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--answer NAME=ANSWER" in done.stdout
