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


def ask_git(*question: str) -> str | None:
    """Return git's answer; None where it has none."""
    done = subprocess.run(
        ["git", *question], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def read_commit() -> str:
    """Return the commit that is checked out.

    Raises:
        DeliveryError: There is none.
    """
    commit = ask_git("rev-parse", "--verify", "HEAD")
    if commit is None:
        raise DeliveryError("The project is in no git repository, or nothing is committed yet.")
    return commit


def require_branch(expected: str | None) -> None:
    """Refuse to release from anywhere but the target's branch.

    The CLI passes a detached HEAD in silence, and CI often checks out one.

    Raises:
        DeliveryError: Another branch is checked out, or none.
    """
    branch = ask_git("symbolic-ref", "--short", "--quiet", "HEAD")
    if not expected or branch != expected:
        raise DeliveryError(
            "Releases of this target come from the branch that databricks.yml names under "
            f"git.branch, {expected!r}; checked out is {repr(branch) if branch else 'no branch'}. "
            "Where CI checks out a commit alone, name its branch first: git switch -C BRANCH"
        )


def require_clean() -> None:
    """Refuse to release what is not committed.

    Raises:
        DeliveryError: A tracked file differs from the commit.
    """
    changed = ask_git("status", "--porcelain", "--untracked-files=no", "--", ".")
    if changed is None or changed:
        raise DeliveryError(f"What is not committed is not released:\n{changed}\nCommit it first.")


def has_changed(since: str, paths: tuple[str, ...]) -> bool:
    """Tell whether paths differ between a commit and what is checked out.

    A commit that is not known here, as of a shallow clone, counts as changed.
    """
    return ask_git("diff", "--quiet", since, "HEAD", "--", *paths) is None
