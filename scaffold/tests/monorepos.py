"""Repositories with several projects, created as a user would."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from scaffold.tests.repositories import PROGRAMS, Engine, read_project

# One name is a prefix of another.
NAMES = ("air", "zoo", "air_that_has_a_name_of_30_char")
WORKFLOWS = ("pull_request", "release", "staging")

Repository = Callable[[str], Path]
"""Return the repository of three projects with a platform of CI; not to be changed."""


def add_project(engine: Engine, repository: Path, name: str, choice: str) -> None:
    """Add a project to a repository and check that existing files are unchanged."""
    before = read_project(repository)
    done = engine.run(repository, {"project_name": name, "ci_platform": choice, "monorepo": "yes"})
    assert done.returncode == 0, done.stdout + done.stderr
    after = read_project(repository)
    assert {path: after.get(path) for path in before} == before


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": PROGRAMS, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout
