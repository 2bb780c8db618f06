import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from laptop import connection
from laptop.cli import app
from laptop.connection import Connection
from laptop.home import Home
from typer.testing import CliRunner

PYPROJECT = """
[project]
name = "toy"
version = "1.0"
requires-python = ">=3.11"

[project.scripts]
execute = "toy.tasks:execute"
leave = "toy.tasks:leave"
take = "toy.tasks:take"

[build-system]
requires = ["uv_build>=0.9,<1"]
build-backend = "uv_build"
"""

TASKS = '''
"""Tasks that do what their command line says."""

import sys

from databricks.sdk.runtime import dbutils


def execute() -> None:
    """Run the code of the one argument."""
    exec(sys.argv[1], {})


def leave() -> None:
    """Set a task value."""
    dbutils.jobs.taskValues.set("x", sys.argv[1])


def take() -> None:
    """Leave what came in."""
    print("took", sys.argv[1:])
    dbutils.jobs.taskValues.set("taken", sys.argv[1])
'''

BUNDLE = """
bundle:
  name: toy
artifacts:
  wheel:
    type: whl
    build: uv build --wheel --clear
targets:
  dev:
    default: true
  prod: {}
include:
  - jobs/*.yml
"""

JOB = """
resources:
  jobs:
    three:
      name: three
      parameters:
        - {name: said, default: hello}
      tasks:
        - task_key: a
          environment_key: default
          python_wheel_task:
            package_name: toy
            entry_point: leave
            parameters: ["{{job.parameters.said}}"]
        - task_key: b
          depends_on: [{task_key: a}]
          environment_key: default
          python_wheel_task:
            package_name: toy
            entry_point: take
            named_parameters: {value: "{{tasks.a.values.x}}"}
        - task_key: c
          depends_on: [{task_key: b}]
          environment_key: default
          python_wheel_task:
            package_name: toy
            entry_point: take
            parameters: ["from {{tasks.b.values.taken}}"]
      environments:
        - environment_key: default
          spec:
            environment_version: "5"
            dependencies: [../dist/*.whl]
    failing:
      name: failing
      tasks:
        - task_key: first
          environment_key: default
          python_wheel_task:
            package_name: toy
            entry_point: execute
            parameters: ["print('so far so good'); raise RuntimeError('no rows at all')"]
        - task_key: second
          depends_on: [{task_key: first}]
          environment_key: default
          python_wheel_task:
            package_name: toy
            entry_point: leave
            parameters: ["1"]
      environments:
        - environment_key: default
          spec:
            environment_version: "5"
            dependencies: [../dist/*.whl]
"""


@dataclass(frozen=True)
class Shown:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Toy:
    """A bundle with a workspace of its own."""

    root: Path

    @property
    def home(self) -> Home:
        return Home(self.root / ".laptop")

    def call(self, *arguments: str, directory: Path | None = None, typed: str = "") -> Shown:
        """Run a `laptop` command in this process."""
        result = CliRunner().invoke(
            app,
            ["-C", str(directory or self.root), *arguments],
            input=typed,
            env={"LAPTOP_HOME": None},
        )
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Shown(result.exit_code, result.stdout, result.stderr)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a `laptop` command as a process of its own."""
        clean = {k: v for k, v in os.environ.items() if k != "LAPTOP_HOME"}
        return subprocess.Popen(
            [sys.executable, "-m", "laptop", *arguments],
            cwd=self.root,
            env={**clean, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def open(self) -> Connection:
        """Return the workspace, started if need be."""
        return connection.open_workspace(self.home, ["dev", "prod"])


def write_toy(root: Path) -> Toy:
    """Write the bundle."""
    files = {
        "pyproject.toml": PYPROJECT,
        "databricks.yml": BUNDLE,
        "jobs/toy.yml": JOB,
        "src/toy/__init__.py": "",
        "src/toy/tasks.py": TASKS,
        ".gitignore": "dist\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Toy(root)


def ours(folder: Path) -> list[str]:
    """Return the command lines of the processes that name a folder, or stand in it."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            place = str((entry / "cwd").readlink())
        except (OSError, ValueError):
            continue
        if entry.name != str(os.getpid()) and (str(folder) in words or place.startswith(str(folder))):
            found.append(f"{entry.name} {words}")
    return found


def until(true: Callable[[], Any], seconds: float = 20) -> Any:
    """Wait for a condition and return what it gave.

    Raises:
        TimeoutError: It did not come true.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = true()
        if value:
            return value
        time.sleep(0.02)
    raise TimeoutError(f"not true after {seconds} s")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of all toy bundles; no process of it may outlive the session."""
    path = tmp_path_factory.mktemp("laptop")
    yield path
    until(lambda: not ours(path), 10)


@pytest.fixture(scope="session")
def toy(folder: Path) -> Iterator[Toy]:
    """A bundle whose workspace is up, and whose jobs have been built once."""
    toy = write_toy(folder / "shared")
    toy.open()
    yield toy
    connection.stop(toy.home)


@pytest.fixture
def lonely(folder: Path, request: pytest.FixtureRequest) -> Iterator[Toy]:
    """A bundle with a workspace that the test may kill."""
    toy = write_toy(folder / request.node.name.replace("/", "-")[:80])
    yield toy
    connection.stop(toy.home)


@pytest.fixture(scope="session")
def there(toy: Toy) -> Connection:
    return toy.open()


@pytest.fixture(scope="session")
def client(there: Connection) -> WorkspaceClient:
    return WorkspaceClient(host=there.address, token=there.token)
