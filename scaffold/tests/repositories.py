"""A copy of this repository, and projects created from its templates as a user would."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from conformance.tests.projects import PATH, ROOT

# Includes the programs of this virtual environment.
PROGRAMS = os.pathsep.join((PATH, str(Path(sys.executable).parent)))
# The CLI requires a workspace but does not need its responses.
NOWHERE = "https://workspace.invalid"


@dataclass(frozen=True)
class Engine:
    """One of the two programs that render projects, with its template and a separate home."""

    name: str
    program: Path
    template: Path | str
    home: Path

    def run(
        self, folder: Path, answers: Mapping[str, str], *flags: str
    ) -> subprocess.CompletedProcess[str]:
        """Render a project below a folder without checking the exit code."""
        if self.name == "bundle":
            asked = self.home / f"{folder.name}.json"
            asked.write_text(json.dumps(answers))
            arguments = ["bundle", "init", str(self.template), "--output-dir", str(folder)]
            arguments += ["--config-file", str(asked)]
        else:
            arguments = ["--no-input", "--output-dir", str(folder), str(self.template)]
            arguments += [f"{name}={answer}" for name, answer in answers.items()]
        return subprocess.run(
            [self.program, *arguments, *flags],
            env={
                "PATH": PROGRAMS,
                "HOME": str(self.home),
                "DATABRICKS_CONFIG_FILE": os.devnull,
                "DATABRICKS_HOST": NOWHERE,
                "DATABRICKS_TOKEN": "dummy",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def make(self, folder: Path, answers: Mapping[str, str]) -> Path:
        """Render a project below a folder and return its root.

        Raises:
            AssertionError: The engine failed, or wrote other files next to the project.
        """
        done = self.run(folder, answers)
        assert done.returncode == 0, done.stdout + done.stderr
        (project,) = folder.iterdir()
        return project


Render = Callable[[str], Path]
"""Return the project of a name, with every other answer its default."""


def copy_repository(folder: Path) -> Path:
    """Copy the working tree, including uncommitted changes, and add it to git's index."""
    for name in list_files(ROOT, "--cached", "--others", "--exclude-standard"):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    add_all(folder)
    return folder


def add_all(folder: Path) -> None:
    """Initialize a git repository and add all files."""
    subprocess.run(["git", "init", "--quiet", "--initial-branch", "main"], cwd=folder, check=True)
    subprocess.run(["git", "add", "--all"], cwd=folder, check=True)


def list_files(folder: Path, *flags: str) -> list[str]:
    """Return the output lines of `git ls-files`."""
    command = ["git", "ls-files", "-z", *flags]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return sorted(set(done.stdout.split("\0")) - {""})


def check_pipelines(project: Path, *tests: str) -> None:
    """Run the pipeline tests on a project's pipelines."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *(f"scaffold/tests/{test}" for test in tests)],
        cwd=ROOT,
        env={**os.environ, "PROJECT": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+ passed in", done.stdout, re.MULTILINE), done.stdout


def read_project(folder: Path) -> dict[str, tuple[bytes, bool]]:
    """Return the bytes of each file below a folder, and whether it is executable."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), os.access(path, os.X_OK))
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }
