"""What tests run on: a Spark session, and workspaces in folders of their own."""

import atexit
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest
from laptop import cli, connection
from laptop.jobs.processes import ForkServer
from laptop.jobs.task import TaskSpec
from laptop.jobs.task_environment import TaskEnvironment
from laptop.state_dir import StateDir, file_lock
from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from tests import declared
from tests.declared import ROOT, catalog_of
from tests.problem.instants import BROUGHT, FIRST

SCHEMA = f"{catalog_of('dev')}.dev_laptop_{declared.SCHEMA}"
MODEL = f"{SCHEMA}.dev_laptop_model"


DEPLOYED = ("Makefile", "README.md", "databricks.yml", "pyproject.toml")
FOLDERS = ("dashboards", "notebooks", "resources", "src")
# The entry point of a distribution that runs test programs.
PROGRAM = """
import os
import sys

def main():
    name, file, errors = sys.argv
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
    exec(compile(open(file).read(), file, "exec"), {"__name__": "__main__"})
"""
# Tasks that the fork server imports once.
MODULES = ("deploy", "features", "ingest", "train", "validate")


WITHOUT_POLICY = ("feature_refresh", "stream_inference", "stream_refresh")


@dataclass(frozen=True)
class Laptop:
    """The laptop CLI on one state folder."""

    home: StateDir

    @cached_property
    def project(self) -> Path:
        """A copy of the project, because two processes cannot build wheels in one folder."""
        return copy_project(self.home.path.with_name(f"{self.home.path.name}-project"))

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a `laptop` command in this process and return its output."""
        result = CliRunner().invoke(
            cli.app,
            ["-C", str(self.project), *arguments],
            env={"LAPTOP_HOME": str(self.home.path)},
        )
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return subprocess.CompletedProcess(
            arguments, result.exit_code, result.stdout, result.stderr
        )

    def run(self, job: str, as_of: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Run a job of the dev target as of an instant, with the small policy if it has one."""
        policy = "" if job in WITHOUT_POLICY else ",policy=policy_small"
        return self.call("run", job, "--params", f"as_of={as_of}{policy}", *more)

    def succeed(self, job: str, as_of: str) -> str:
        """Run a job that must succeed, and return its output."""
        done = self.run(job, as_of)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        """Return the status as JSON."""
        found: dict[str, Any] = json.loads(self.call("status", "-o", "json").stdout)
        return found

    def sql(self, statement: str) -> list[dict[str, Any]]:
        """Return the rows of a statement."""
        done = self.call("sql", statement, "-o", "json")
        assert done.returncode == 0, done.stderr
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows

    def bring(self) -> None:
        """Create the tables that the problem's sources read."""
        if BROUGHT:
            # No job has started the workspace yet.
            self.task_environment()
        for statement in BROUGHT:
            self.sql(statement)

    def task_environment(self) -> TaskEnvironment:
        """Return the workspace's addresses; restart it if it has stopped when idle."""
        if connection.find(self.home) is None:
            assert self.call("up").returncode == 0
        there = connection.find(self.home)
        assert there is not None
        return TaskEnvironment(self.home.path, there.address, there.token, there.spark)

    def environment(self) -> dict[str, str]:
        """Return the environment of a task of this workspace."""
        return self.task_environment().variables()

    @cached_property
    def _programs(self) -> Path:
        folder = self.home.path.with_name(f"{self.home.path.name}-programs")
        described = folder / "program-1.dist-info"
        described.mkdir(parents=True)
        (folder / "program.py").write_text(PROGRAM)
        (described / "METADATA").write_text("Metadata-Version: 2.1\nName: program\nVersion: 1\n")
        (described / "entry_points.txt").write_text("[console_scripts]\nrun = program:main\n")
        return folder

    def execute(self, code: str, server: ForkServer | None = None) -> str:
        """Run Python code like a task, and return its output.

        By default `server` is that of all workspaces, which has no token itself.
        """
        program, log, errors, spec = (
            self._programs / name for name in ("code.py", "log", "errors", "spec.json")
        )
        program.write_text(code)
        log.write_text("")
        errors.write_text("")
        TaskSpec(
            package="program",
            entry_point="run",
            arguments=[str(program), str(errors)],
            path=[str(self._programs)],
            environment={
                **self.environment(),
                "LAPTOP_TASK_VALUES": str(self._programs / "values.json"),
            },
            log=str(log),
        ).write(spec)
        fork = (server or start_fork_server()).fork(spec)
        assert fork is not None
        status = fork.wait(None)
        assert status == 0, log.read_text() + errors.read_text()
        return log.read_text()

    def close(self) -> None:
        """End the workspace."""
        connection.stop(self.home)


@cache
def start_fork_server() -> ForkServer:
    """Return the fork server of this process, for programs on any workspace."""
    folder = Path(tempfile.mkdtemp())
    modules = [f"flight_delays.tasks.{name}" for name in MODULES]
    server = ForkServer(TaskEnvironment(folder, address="", token="", spark=""), modules)
    atexit.register(shutil.rmtree, folder)
    atexit.register(server.close)
    return server


def copy_project(folder: Path) -> Path:
    """Copy the deployed files into a new folder, and commit them."""
    folder.mkdir()
    for name in DEPLOYED:
        shutil.copy(ROOT / name, folder)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "copy"]):
        subprocess.run(["git", *identity, *command], cwd=folder, check=True)
    return folder


@contextmanager
def open_copy(state: Path, folder: Path) -> Iterator[Laptop]:
    """Yield a workspace on a copy of a state folder."""
    laptop = Laptop(StateDir(Path(shutil.copytree(state, folder / "workspace"))))
    try:
        assert laptop.call("up").returncode == 0
        yield laptop
    finally:
        laptop.close()


# Of module scope, because only one session of a process may be active.
@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    host, port = server.listening_address
    session = SparkSession.builder.remote(f"sc://{host}:{port}").getOrCreate()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    session.conf.set("spark.sql.ansi.enabled", "true")
    yield session
    session.stop()
    server.stop()


@pytest.fixture(scope="session")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """Yield an empty workspace."""
    laptop = Laptop(StateDir(tmp_path_factory.mktemp("workspace")))
    try:
        assert laptop.call("up").returncode == 0
        laptop.bring()
        yield laptop
    finally:
        laptop.close()


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return a folder shared by all processes of this pytest run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "states"
    folder.mkdir(exist_ok=True)
    return folder


def keep_state(state: Path, build: Callable[[Laptop], None], start: Path | None = None) -> Path:
    """Return the state folder of a stopped workspace, built once per pytest run."""
    with file_lock(state.with_suffix(".lock")):
        if not state.exists():
            folder = state.with_suffix(".new")
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            laptop = Laptop(StateDir(folder / "workspace"))
            if start is not None:
                shutil.copytree(start, laptop.home.path)
            try:
                build(laptop)
            finally:
                laptop.close()
            laptop.home.path.rename(state)
    return state


@pytest.fixture(scope="session")
def refreshed_state(states: Path) -> Path:
    """Return the state of a workspace with features as of FIRST."""

    def build(laptop: Laptop) -> None:
        laptop.bring()
        laptop.succeed("feature_refresh", FIRST)

    return keep_state(states / "refreshed", build)


@pytest.fixture(scope="session")
def trained_state(states: Path, refreshed_state: Path) -> Path:
    """Return the refreshed state after training, promotion and batch inference."""

    def build(laptop: Laptop) -> None:
        laptop.succeed("model_training", FIRST)
        laptop.succeed("batch_inference", FIRST)

    return keep_state(states / "trained", build, refreshed_state)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, trained_state: Path) -> Iterator[Laptop]:
    """Yield a workspace after training, promotion and batch inference."""
    with open_copy(trained_state, tmp_path_factory.mktemp("trained")) as laptop:
        yield laptop
