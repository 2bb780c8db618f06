"""Copies of a project as separate git repositories that only use the fake workspace."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

SAMPLES = ROOT / "conformance" / "samples"

# `make databricks-cli` and `make setup` install missing programs in .tools/bin.
PATH = os.pathsep.join((os.environ["PATH"], str(ROOT / ".tools" / "bin")))

_HOST = re.compile(r"(?<=host: )\"?https://\S+")
_AUTHOR = ("-c", "user.name=Tester", "-c", "user.email=tester@databricks.com")
_GIT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


@dataclass(frozen=True)
class Project:
    """A checkout of a bundle."""

    root: Path

    def commit(self, message: str) -> None:
        """Commit all changes in the checkout, also if there are none."""
        self.git("add", "--all")
        self.git(*_AUTHOR, "commit", "--quiet", "--allow-empty", "--message", message)

    def switch(self, branch: str) -> None:
        """Switch to a branch, created if it does not exist."""
        self.git("switch", "--quiet", "--force-create", branch)

    def build_wheel(self) -> Path:
        """Build the wheel of the commit as the bundle does, and return its path."""
        environment = {**os.environ, "PATH": PATH}
        subprocess.run(["make", "--silent", "wheel"], cwd=self.root, env=environment, check=True)
        (wheel,) = (self.root / "dist").glob("*.whl")
        return wheel

    def copy(self, root: Path) -> "Project":
        """Return another checkout of the same commit and branch, with the same wheel."""
        ignore = shutil.ignore_patterns(".databricks")
        return Project(Path(shutil.copytree(self.root, root, symlinks=True, ignore=ignore)))

    def read_commit(self) -> str:
        """Return the hash of the checked-out commit."""
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *arguments: str) -> str:
        """Run git in the checkout, without the machine's configuration, and return the output."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            env={"PATH": PATH, **_GIT},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout


def copy_project(root: Path, *, host: str) -> Project:
    """Copy the working tree, including uncommitted changes, and commit it on main.

    Args:
        root: Folder of the copy.
        host: Host that replaces that of every target.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    bundle = root / "databricks.yml"
    bundle.write_text(_HOST.sub(host, bundle.read_text()))
    return _start_repository(root)


def copy_sample(name: str, root: Path) -> Project:
    """Copy a sample bundle and commit it on main."""
    return _start_repository(Path(shutil.copytree(SAMPLES / name, root)))


def _start_repository(root: Path) -> Project:
    project = Project(root)
    project.git("init", "--quiet", "--initial-branch", "main")
    project.commit("The project as it stands")
    return project
