"""The Databricks CLI, as a process."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from databricks.sdk import WorkspaceClient

PROJECT = Path(__file__).parent.parent


class DeliveryError(Exception):
    """Delivery stops here; the message says why and what to do."""


def find_cli() -> str:
    """Return the CLI on the PATH, else the one in `.tools/bin`.

    Raises:
        DeliveryError: There is none.
    """
    found = shutil.which("databricks") or shutil.which(
        "databricks", path=str(PROJECT / ".tools" / "bin")
    )
    if found is None:
        raise DeliveryError(
            "The Databricks CLI is not on the PATH. Install version 1.12.1 or later: "
            "https://docs.databricks.com/dev-tools/cli/install.html"
        )
    return found


def run_bundle(verb: str, *arguments: str, target: str) -> None:
    """Run a bundle command whose output the reader sees.

    Raises:
        DeliveryError: It failed.
    """
    command = [find_cli(), "bundle", verb, *arguments, "-t", target]
    print(f"$ databricks {' '.join(command[1:])}", flush=True)
    if code := subprocess.run(command, cwd=PROJECT, check=False).returncode:
        raise DeliveryError(f"`databricks {' '.join(command[1:])}` ended with exit code {code}.")


def read_bundle(verb: str, *, target: str) -> dict[str, Any]:
    """Return what a bundle command says in JSON.

    Raises:
        DeliveryError: It failed, or said something else.
    """
    command = [find_cli(), "bundle", verb, "-t", target, "-o", "json"]
    done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise DeliveryError(
            f"`databricks {' '.join(command[1:])}` ended with exit code {done.returncode}."
        )
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise DeliveryError(
            f"`databricks {' '.join(command[1:])}` answered no JSON ({error}). "
            "Is the CLI 1.12.1 or later?"
        ) from None
    return answer


def open_workspace(summary: dict[str, Any]) -> WorkspaceClient:
    """Return a client of the workspace that a bundle's summary speaks of.

    A target that names no host is the environment's, for the CLI and here alike.
    """
    return WorkspaceClient(host=summary["workspace"].get("host"))
