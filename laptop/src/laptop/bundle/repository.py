"""Git metadata of a bundle's directory."""

import re
import subprocess
from pathlib import Path


def read_git(root: Path) -> dict[str, str]:
    """Return branch, commit, origin and the bundle's path in the repository.

    Missing values are omitted: the branch of a detached head, the commit of an empty repository,
    all values without a repository or git.
    """
    top = _ask_git(root, "rev-parse", "--show-toplevel")
    if not top:
        return {}
    branch = _ask_git(root, "symbolic-ref", "--short", "--quiet", "HEAD")
    origin = _ask_git(root, "config", "--get", "remote.origin.url")
    facts = {
        "actual_branch": branch,
        "branch": branch,
        "commit": _ask_git(root, "rev-parse", "--verify", "--quiet", "HEAD"),
        "origin_url": re.sub(r"(?<=://)[^/@]*@", "", origin),
        "bundle_root_path": root.relative_to(Path(top).resolve()).as_posix(),
    }
    return {key: value for key, value in facts.items() if value}


def _ask_git(root: Path, *question: str) -> str:
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), *question], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
