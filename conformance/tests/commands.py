"""Run the Databricks CLI against the fake workspace only."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conformance.tests.projects import PATH
from conformance.tests.workspaces import Identity, Workspace


def find_program(program: str, advice: str) -> Path:
    """Return a program's path, or skip the test; with REQUIRE_DATABRICKS_CLI=1, as in CI, fail."""
    found = shutil.which(program, path=PATH)
    if found is None:
        reason = f"no {program} on the PATH or in .tools/bin: {advice}"
        if os.environ.get("REQUIRE_DATABRICKS_CLI") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return Path(found)


@dataclass(frozen=True)
class Result:
    """Output and exit code of a command."""

    command: str
    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """The combined output."""
        return self.out + self.err

    @property
    def json(self) -> Any:
        """The standard output, parsed as JSON."""
        return json.loads(self.out)

    def succeed(self) -> "Result":
        """Return itself.

        Raises:
            AssertionError: The command failed.
        """
        assert self.code == 0, f"{self.command} ended with {self.code}:\n{self.said}"
        return self


@dataclass(frozen=True)
class Databricks:
    """The CLI with one identity in one folder; call it with the arguments."""

    binary: Path
    home: Path
    folder: Path
    workspace: Workspace
    identity: Identity
    variables: Mapping[str, str]

    def __call__(self, *arguments: str) -> Result:
        """Run the CLI without checking the exit code."""
        done = subprocess.run(
            [self.binary, *arguments],
            cwd=self.folder,
            env=self.describe_environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        command = " ".join(("databricks", *arguments))
        return Result(command, done.returncode, done.stdout, done.stderr)

    def describe_environment(self) -> dict[str, str]:
        return {
            "PATH": PATH,
            "HOME": str(self.home),
            "UV_OFFLINE": "1",
            "DATABRICKS_CONFIG_FILE": os.devnull,
            "DATABRICKS_HOST": self.workspace.url,
            "DATABRICKS_TOKEN": self.workspace.write_token(self.identity),
            # The CLI's limit of 15 requests a second is not needed for the fake workspace.
            "DATABRICKS_RATE_LIMIT": "1000",
            # Instead of 15 seconds.
            "DATABRICKS_BUNDLE_RETRY_INTERVAL_MS": "10",
            # The fake workspace can then kill the CLI at a given request.
            "DATABRICKS_CLI_TEST_PID": "1",
            **{f"BUNDLE_VAR_{name}": value for name, value in self.variables.items()},
        }
