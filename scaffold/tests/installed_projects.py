"""Installed projects: committed to a repository, with a virtual environment."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from conformance.tests.projects import PATH, ROOT, Project
from scaffold.sentinel import PROJECT_NAME, Sentinel
from scaffold.tests.rendering import Answers, write
from scaffold.tests.repositories import Engine
from scaffold.tests.shapes import MANIFEST

# Variables that an outer `make` or `uv run` sets for child processes.
_FOREIGN = ("VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONPATH", "LAPTOP_HOME")
UNCOMPILED = "-- UV_COMPILE_BYTECODE=0"
"""Flags of make, where most of what is installed is never imported."""
_LIMIT = 1800
_OF_THE_ENDPOINT = {
    "test_bad_challengers.py",
    "test_loadtest.py",
    "test_rollout.py",
    "test_rollout_decision.py",
    "test_sequential.py",
    "test_served_as_judged.py",
    "test_served_checks.py",
}
_OF_STREAMS = {
    "test_jdbc_output.py",
    "test_stream_inference.py",
    "test_stream_kafka.py",
    "test_stream_refresh.py",
    "test_streaming.py",
}

FRAMEWORK = "tests/framework"
"""Tests of the rooms that a project's owner does not edit."""


@dataclass(frozen=True)
class InstalledProject:
    """A project installed in an environment by its `make setup`.

    Attributes:
        root: Root of the project.
        installed: Path of the environment; that of another project can be reused.
        types: Cache of mypy, shared because the libraries are the same.
    """

    root: Path
    installed: Path
    types: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project without checking the exit code."""
        kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
        return subprocess.run(
            command,
            cwd=self.root,
            env={
                **kept,
                "PATH": PATH,
                "MAKEFLAGS": UNCOMPILED,
                "UV_PROJECT_ENVIRONMENT": str(self.installed),
                "MYPY_CACHE_DIR": str(self.types),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LIMIT,
            check=False,
        )

    def shut_down(self) -> None:
        """Stop the workspace that a demo leaves running."""
        done = self.run("uv", "run", "--no-sync", "laptop", "down")
        assert done.returncode == 0, done.stdout


def commit_project(folder: Path, answers: Answers) -> Project:
    """Commit a project rendered below a folder, in its new repository."""
    root = folder / answers[PROJECT_NAME]
    repository = Project(folder if answers["monorepo"] == "yes" else root)
    repository.git("init", "--quiet", "--initial-branch", answers["default_branch"])
    repository.commit("A new project")
    return Project(root)


def add_framework_tests(project: Path, answers: Answers) -> None:
    """Write this repository's framework tests into a project, as if they were rendered."""
    sentinel = Sentinel(MANIFEST.sentinel)
    left_out = set() if answers["serving"] == "yes" else _OF_THE_ENDPOINT
    if answers["streaming"] == "no":
        left_out = left_out | _OF_STREAMS
    for path in (ROOT / FRAMEWORK).rglob("*.py"):
        if path.name not in left_out:
            target = project / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(write(sentinel.split(path.read_text()), answers))


def install_project(
    bundle: Engine, answers: Answers, folder: Path, place: Path | None = None
) -> InstalledProject:
    """Create a project below a folder as a user would, up to the first commit.

    Args:
        bundle: Engine that renders the project.
        answers: An answer to each question.
        folder: New folder.
        place: Environment of another project to reuse; by default a new one.
    """
    done = bundle.run(folder, answers)
    assert done.returncode == 0, done.stderr
    root = commit_project(folder, answers).root
    if place is None:
        return InstalledProject(root, root / ".venv", root / ".mypy_cache")
    return InstalledProject(root, place / "environment", place / "types")
