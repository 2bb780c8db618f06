import contextlib
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from laptop import cli, connection, deployment
from laptop.cli.opening import resolve_target
from laptop.connection import Connection
from laptop.jobs.records import ENDED
from laptop.state_dir import StateDir
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
          disable_auto_optimization: true
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
    def state_dir(self) -> StateDir:
        return StateDir(self.root / ".laptop")

    def call(self, *arguments: str, directory: Path | None = None, typed: str = "") -> Shown:
        """Run a `laptop` command in this process."""
        result = CliRunner().invoke(
            cli.app,
            ["-C", str(directory or self.root), *arguments],
            input=typed,
            env={"LAPTOP_HOME": None},
        )
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Shown(result.exit_code, result.stdout, result.stderr)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a `laptop` command as a process of its own."""
        # The variable that tells MLflow of a test would switch its telemetry off.
        unset = ("LAPTOP_HOME", "PYTEST_CURRENT_TEST")
        clean = {k: v for k, v in os.environ.items() if k not in unset}
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
        return connection.open_workspace(self.state_dir, ["dev", "prod"])


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
        if entry.name != str(os.getpid()) and (
            str(folder) in words or place.startswith(str(folder))
        ):
            found.append(f"{entry.name} {words}")
    return found


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(true: Callable[[], Any], seconds: float = 120) -> Any:
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
    """Yield the folder of all toy bundles; no process of it may outlive the session."""
    path = tmp_path_factory.mktemp("laptop")
    yield path
    until(lambda: not ours(path))


@pytest.fixture(scope="session")
def toy(folder: Path) -> Iterator[Toy]:
    """Yield a bundle whose workspace is up, and whose jobs have been built once."""
    toy = write_toy(folder / "shared")
    with pytest.MonkeyPatch.context() as patch:
        # What the shell says of MLflow's telemetry and of Databricks must not reach a task.
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
        patch.setenv("IS_SERVERLESS", "TRUE")
        patch.delenv("PYTEST_CURRENT_TEST", raising=False)
        toy.open()
    yield toy
    connection.stop(toy.state_dir)


@pytest.fixture
def lonely(folder: Path, request: pytest.FixtureRequest) -> Iterator[Toy]:
    """Yield a bundle with a workspace that the test may kill."""
    toy = write_toy(folder / request.node.name.replace("/", "-")[:80])
    yield toy
    connection.stop(toy.state_dir)


@pytest.fixture(scope="session")
def shared(toy: Toy) -> StateDir:
    return toy.state_dir


@pytest.fixture(scope="session")
def there(toy: Toy) -> Connection:
    return toy.open()


@pytest.fixture(autouse=True)
def workspace_alive(request: pytest.FixtureRequest) -> None:
    """Fail at once, with its log, if the workspace that tests share has ended.

    Its clients would ask for minutes.
    """
    if "there" in request.fixturenames:
        toy: Toy = request.getfixturevalue("toy")
        log = toy.state_dir.log_file
        ended = f"The shared workspace has ended. Its log ends:\n{log.read_text()[-2000:]}"
        assert alive(request.getfixturevalue("there").pid), ended


@pytest.fixture(scope="session")
def wheel(toy: Toy, folder: Path) -> str:
    """Return the toy's wheel, built once, for jobs that are made through the API."""
    built = folder / "built"
    bundle = resolve_target(toy.root, None, {})
    deployment.build(toy.root, "wheel", bundle.artifacts["wheel"])
    (made,) = (toy.root / "dist").glob("*.whl")
    return str(deployment.upload(made, built))


@pytest.fixture(scope="session")
def client(there: Connection) -> WorkspaceClient:
    return WorkspaceClient(host=there.address, token=there.token)


@dataclass(frozen=True)
class Jobs:
    """Makes and runs jobs of toy tasks through the API."""

    there: Connection
    wheel: str

    def create(self, *tasks: dict[str, Any], **more: Any) -> int:
        """Make a job of tasks as `execute` gives them."""
        dependencies = [self.wheel, *more.pop("dependencies", [])]
        settings = {
            "name": f"job of {', '.join(task['task_key'] for task in tasks)}",
            "tasks": list(tasks),
            "environments": [
                {"environment_key": "default", "spec": {"dependencies": dependencies}}
            ],
            **more,
        }
        return int(self.there.ask("POST", "/api/2.2/jobs/create", settings)["job_id"])

    def start(self, job_id: int, **more: Any) -> int:
        """Start a run."""
        body = {"job_id": job_id, **more}
        return int(self.there.ask("POST", "/api/2.2/jobs/run-now", body)["run_id"])

    def get(self, run_id: int) -> dict[str, Any]:
        """Return a run."""
        run: dict[str, Any] = self.there.ask("GET", f"/api/2.2/jobs/runs/get?run_id={run_id}")
        return run

    def finish(self, run_id: int) -> dict[str, Any]:
        """Return a run when it has ended."""
        until(lambda: self.get(run_id)["state"]["life_cycle_state"] in ENDED)
        return self.get(run_id)

    def run(self, *tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Make a job, run it and return the run when it has ended."""
        return self.finish(self.start(self.create(*tasks, **more)))


def execute(key: str, code: str, *after: str, **more: Any) -> dict[str, Any]:
    """Return a task that runs Python code, once unless it asks for more."""
    return {
        "task_key": key,
        "depends_on": [{"task_key": each} for each in after],
        "environment_key": "default",
        "disable_auto_optimization": True,
        "python_wheel_task": {
            "package_name": "toy",
            "entry_point": "execute",
            "parameters": [code],
        },
        **more,
    }


def results(run: dict[str, Any]) -> dict[str, str]:
    """Return each task's result, or where in its life it is; its last attempt counts."""
    states = {task["task_key"]: task["state"] for task in run["tasks"]}
    return {key: s.get("result_state") or s["life_cycle_state"] for key, s in states.items()}


@pytest.fixture(scope="session")
def jobs(there: Connection, wheel: str) -> Jobs:
    return Jobs(there, wheel)


@pytest.fixture
def free_port() -> int:
    """Return a port of those that the system gives no connection.

    A client of another port, whose server is not yet there, may be connected to itself.
    """
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
