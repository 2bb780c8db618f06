"""Calls of the Databricks CLI, of git, and of a SQL warehouse."""

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from databricks.sdk import WorkspaceClient
from databricks.sdk.service.sql import StatementState

PROJECT = Path(__file__).parent.parent
# Starting a warehouse takes minutes.
WAREHOUSE_SECONDS = 600
WAITING = (StatementState.PENDING, StatementState.RUNNING)


class DeliveryError(Exception):
    """A step of the delivery failed; the message says why and what to do."""


def find_cli() -> str:
    """Return the path of the CLI on the PATH, else in `.tools/bin`.

    Raises:
        DeliveryError: The CLI is not found.
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
    """Run a bundle command and show its output.

    Raises:
        DeliveryError: The command failed.
    """
    command = [find_cli(), "bundle", verb, *arguments, "-t", target]
    print(f"$ databricks {' '.join(command[1:])}", flush=True)
    if code := subprocess.run(command, cwd=PROJECT, check=False).returncode:
        raise DeliveryError(f"`databricks {' '.join(command[1:])}` ended with exit code {code}.")


def read_bundle(verb: str, *, target: str) -> dict[str, Any]:
    """Return the JSON output of a bundle command.

    Raises:
        DeliveryError: The command failed, or its output is not JSON.
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
            f"`databricks {' '.join(command[1:])}` did not return JSON ({error}). "
            "Is the CLI 1.12.1 or later?"
        ) from None
    return answer


def open_workspace(summary: dict[str, Any]) -> WorkspaceClient:
    """Return a client of the workspace of a bundle's summary.

    A target without a host uses the environment's, as in the CLI.
    """
    return WorkspaceClient(host=summary["workspace"].get("host"))


def ask_git(*question: str) -> str | None:
    """Return the output of a git command; None if it failed."""
    done = subprocess.run(
        ["git", *question], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def read_commit() -> str:
    """Return the commit that is checked out.

    Raises:
        DeliveryError: There is no commit.
    """
    commit = ask_git("rev-parse", "--verify", "HEAD")
    if commit is None:
        raise DeliveryError("The project is in no git repository, or nothing is committed yet.")
    return commit


def require_branch(expected: str | None) -> None:
    """Check that the target's branch is checked out.

    The CLI accepts a detached HEAD, which CI often checks out.

    Raises:
        DeliveryError: Another branch, or none, is checked out.
    """
    branch = ask_git("symbolic-ref", "--short", "--quiet", "HEAD")
    if not expected or branch != expected:
        raise DeliveryError(
            "Releases of this target come from the branch that databricks.yml names under "
            f"git.branch, {expected!r}; checked out is {repr(branch) if branch else 'no branch'}. "
            "Where CI checks out a commit alone, name its branch first: git switch -C BRANCH"
        )


def require_clean() -> None:
    """Check that tracked files have no uncommitted changes.

    Raises:
        DeliveryError: A tracked file differs from the commit.
    """
    changed = ask_git("status", "--porcelain", "--untracked-files=no", "--", ".")
    if changed is None or changed:
        raise DeliveryError(f"There are uncommitted changes:\n{changed}\nCommit them first.")


def has_changed(since: str, paths: tuple[str, ...]) -> bool:
    """Return whether paths differ between a commit and HEAD.

    An unknown commit, as in a shallow clone, counts as changed.
    """
    return ask_git("diff", "--quiet", since, "HEAD", "--", *paths) is None


def run_statement(workspace: WorkspaceClient, statement: str) -> list[dict[str, Any]]:
    """Run a statement and return its rows, with values as text.

    Raises:
        DeliveryError: There is no warehouse, or the statement failed.
    """
    statements = workspace.statement_execution
    answer = statements.execute_statement(statement, find_warehouse(workspace), wait_timeout="50s")
    until = time.monotonic() + WAREHOUSE_SECONDS
    while (state := answer.status and answer.status.state) in WAITING:
        if time.monotonic() > until:
            raise DeliveryError(f"The warehouse did not answer: {answer.status}")
        time.sleep(5)
        answer = statements.get_statement(answer.statement_id or "")
    if state != StatementState.SUCCEEDED:
        raise DeliveryError(f"The statement failed: {answer.status}\n{statement}")
    schema = answer.manifest.schema if answer.manifest else None
    names = [column.name or "" for column in (schema.columns if schema else None) or []]
    rows = (answer.result.data_array if answer.result else None) or []
    return [dict(zip(names, row, strict=True)) for row in rows]


def find_warehouse(workspace: WorkspaceClient) -> str:
    """Return the configured warehouse, else the first one that may be used.

    Raises:
        DeliveryError: There is no warehouse.
    """
    named = workspace.config.warehouse_id
    ids = [named] if named else [w.id for w in workspace.warehouses.list() if w.id]
    if not ids:
        raise DeliveryError(
            "No SQL warehouse may be used here. Name one in DATABRICKS_WAREHOUSE_ID."
        )
    return ids[0]
