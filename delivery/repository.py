"""What git says about the project."""

import subprocess

from .databricks import PROJECT, DeliveryError


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
