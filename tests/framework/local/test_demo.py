"""The demo deletes a workspace that it created itself, and moves any other one aside."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from laptop import connection
from laptop.state_dir import StateDir

from tests.declared import ROOT

# Replaces `uv run --locked --no-sync`. Jobs take minutes, so a table replaces their results.
RUNNER = f"""#!/bin/sh
shift 3
laptop() {{ {sys.executable} -m laptop "$@"; }}
case "$1 $2" in
    "python "* | "laptop dashboard") ;;
    "laptop run")
        [ -e .laptop ] || {{
            laptop up
            laptop sql "CREATE SCHEMA dev.made"
            laptop sql "CREATE TABLE dev.made.rows AS SELECT 1 AS n"
        }} ;;
    *) "$@" ;;
esac
"""
KEPT = "Your own workspace is kept in .laptop-"


@dataclass(frozen=True)
class Demo:
    """A folder for running the demo."""

    root: Path

    def laptop(self, *arguments: str, home: str = ".laptop") -> str:
        """Run a `laptop` command and return what it printed."""
        command = [sys.executable, "-m", "laptop", *arguments]
        environment = {**os.environ, "LAPTOP_HOME": home}
        return subprocess.run(
            command, cwd=self.root, env=environment, check=True, text=True, stdout=subprocess.PIPE
        ).stdout

    def run(self) -> str:
        """Run the demo without its jobs."""
        environment = {key: value for key, value in os.environ.items() if key != "LAPTOP_HOME"}
        done = subprocess.run(
            ["sh", "demo.sh", str(self.root / "runner")],
            cwd=self.root,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    @property
    def kept(self) -> list[str]:
        """The workspaces that were moved aside, the oldest first."""
        return sorted(path.name for path in self.root.glob(".laptop-*"))


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    shutil.copy(ROOT / "demo.sh", tmp_path)
    (tmp_path / "databricks.yml").write_text("bundle: {name: shown}\n")
    (tmp_path / "runner").write_text(RUNNER)
    (tmp_path / "runner").chmod(0o755)
    yield Demo(tmp_path)
    for state in tmp_path.glob(".laptop*"):
        connection.stop(StateDir(state))


@pytest.mark.nightly
def test_the_demo_deletes_its_own_workspace_and_keeps_any_other(demo: Demo) -> None:
    demo.laptop("up")
    demo.laptop("sql", "CREATE SCHEMA dev.mine")
    demo.laptop("sql", "CREATE TABLE dev.mine.rows AS SELECT 2 AS n")
    assert KEPT in demo.run()
    (mine,) = demo.kept
    assert demo.laptop("sql", "SELECT n FROM dev.mine.rows", home=mine).split() == ["n", "2"]

    assert "Deleted." in demo.run()
    assert demo.kept == [mine]

    # Same numbers of tables and rows, but changed since the demo.
    demo.laptop("sql", "UPDATE dev.made.rows SET n = 3")
    assert KEPT in demo.run()
    (changed,) = {*demo.kept} - {mine}
    assert demo.laptop("sql", "SELECT n FROM dev.made.rows", home=changed).split() == ["n", "3"]
