"""What tests run on: a Spark session, and a workspace in a folder of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from laptop import connection
from laptop.jobs.task_environment import TaskEnvironment
from laptop.state_dir import StateDir
from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

from tests import declared
from tests.declared import ROOT, catalog_of
from tests.problem.instants import BROUGHT, FIRST

SCHEMA = f"{catalog_of('dev')}.dev_laptop_{declared.SCHEMA}"
MODEL = f"{SCHEMA}.dev_laptop_model"


@dataclass(frozen=True)
class Laptop:
    """The command line over one state folder."""

    home: StateDir

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a `laptop` command and return what it printed."""
        return subprocess.run(
            [sys.executable, "-m", "laptop", *arguments],
            cwd=ROOT,
            env={**os.environ, "LAPTOP_HOME": str(self.home.path)},
            capture_output=True,
            text=True,
            timeout=900,
        )

    def run(self, job: str, as_of: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Run a job of the dev target as of an instant, on the small policy where it has one."""
        policy = "" if job == "feature_refresh" else ",policy=policy_small"
        return self.call("run", job, "--params", f"as_of={as_of}{policy}", *more)

    def succeed(self, job: str, as_of: str) -> str:
        """Run a job that must succeed, and return what it printed."""
        done = self.run(job, as_of)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        """Return the status as JSON."""
        found: dict[str, Any] = json.loads(self.call("status", "-o", "json").stdout)
        return found

    def sql(self, statement: str) -> list[dict[str, Any]]:
        """Return the rows that a statement gives."""
        done = self.call("sql", statement, "-o", "json")
        assert done.returncode == 0, done.stderr
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows

    def bring(self) -> None:
        """Bring the tables that the problem's sources read."""
        for statement in BROUGHT:
            self.sql(statement)

    def environment(self) -> dict[str, str]:
        """Return the environment of a task of this workspace."""
        there = connection.find(self.home)
        assert there is not None
        return TaskEnvironment(self.home.path, there.address, there.token, there.spark).variables()

    def execute(self, code: str) -> str:
        """Run Python code as a task would run, and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-W", "error::ResourceWarning", "-c", code],
            env={**self.environment(), "LAPTOP_TASK_VALUES": str(self.home.path / "values.json")},
            cwd=ROOT / "tests",
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


# Ends with its module: only one session may be the active one of the process.
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
    """An empty workspace."""
    home = StateDir(tmp_path_factory.mktemp("workspace"))
    laptop = Laptop(home)
    laptop.bring()
    yield laptop
    connection.stop(home)


@pytest.fixture(scope="session")
def trained(laptop: Laptop) -> Laptop:
    """A workspace in which a first model was trained, promoted and used."""
    laptop.succeed("feature_refresh", FIRST)
    laptop.succeed("model_training", FIRST)
    laptop.succeed("batch_inference", FIRST)
    return laptop
