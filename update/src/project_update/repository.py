"""The git repository of the project."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .errors import ProgramError, UpdateError
from .places import File, Place, Tree
from .programs import run


@dataclass(frozen=True)
class Repository:
    """A git repository and the project in it.

    Attributes:
        root: Root of the working tree.
        place: The project's folder in the repository.
    """

    root: Path
    place: Place

    def check_clean(self) -> None:
        """Check that there are no uncommitted changes.

        Raises:
            UpdateError: There are uncommitted changes.
        """
        if changed := self._git("status", "--porcelain"):
            what = f"There are changes that are not committed:\n{changed.rstrip()}"
            if self._find("CHERRY_PICK_HEAD").exists():
                advice = (
                    "An update is under way: `git cherry-pick --continue` or `--abort` ends it."
                )
            else:
                advice = "Commit them, or put them aside: `git stash --include-untracked`."
            raise UpdateError(what, advice)

    def check_branch(self, branch: str) -> None:
        """Check that a branch can be created, or is already checked out.

        Raises:
            UpdateError: The branch exists, and another one is checked out.
        """
        if branch == self.branch or not self._git("branch", "--list", branch):
            return
        what = f"The branch {branch} exists already."
        advice = f"Switch to it, or delete it: `git branch --delete --force {branch}`."
        raise UpdateError(what, advice)

    @property
    def branch(self) -> str:
        """The checked-out branch, empty for a detached HEAD."""
        return self._git("branch", "--show-current").strip()

    def read_head(self) -> Tree:
        """Return the files of HEAD."""
        files: dict[str, File] = {}
        for line in filter(None, self._git("ls-tree", "-r", "-z", "HEAD").split("\0")):
            described, _, path = line.partition("\t")
            mode, _, content = described.split(" ")
            files[path] = File(mode, content)
        return files

    def store(self, folder: Path) -> Tree:
        """Store every file below a folder as a blob; return them by relative path."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        listed = "".join(f"{path}\n" for path in paths)
        stored = self._git("hash-object", "-w", "--stdin-paths", text=listed)
        return {
            path.relative_to(folder).as_posix(): File(
                "100755" if path.stat().st_mode & 0o100 else "100644", content
            )
            for path, content in zip(paths, stored.splitlines(), strict=True)
        }

    def commit(self, tree: Tree, message: str, *parents: str) -> str:
        """Create a commit without touching branches or the working tree; return its hash."""
        listed = "".join(f"{one.mode} {one.content}\t{path}\0" for path, one in tree.items())
        with tempfile.TemporaryDirectory() as folder:
            index = {**os.environ, "GIT_INDEX_FILE": str(Path(folder) / "index")}
            self._git("update-index", "-z", "--index-info", text=listed, environment=index)
            written = self._git("write-tree", environment=index).strip()
        given = [word for parent in parents for word in ("-p", parent)]
        return self._git("commit-tree", written, *given, "-m", message).strip()

    def pick(self, commit: str, branch: str) -> tuple[str, ...]:
        """Cherry-pick a commit onto a branch, which is created if necessary.

        Returns:
            The paths with conflicts; empty if the commit was applied.

        Raises:
            UpdateError: git fails without conflicts.
        """
        before = self.branch
        if before != branch:
            self._git("switch", "--quiet", "--create", branch)
        try:
            self._git("cherry-pick", commit)
        except ProgramError as error:
            listed = self._git("diff", "--name-only", "--diff-filter=U", "-z")
            if conflicts := tuple(filter(None, listed.split("\0"))):
                return conflicts
            what = f"git could not apply the update: {error.said}"
            advice = f"`git switch {before or '--detach -'}` leads back; {branch} can be deleted."
            raise UpdateError(what, advice) from error
        return ()

    def describe_head(self) -> str:
        """Return git's compact summary of the last commit."""
        return self._git("show", "--format=", "--compact-summary", "HEAD").rstrip()

    def _find(self, name: str) -> Path:
        return self.root / self._git("rev-parse", "--git-path", name).strip()

    def _git(
        self, *arguments: str, text: str = "", environment: dict[str, str] | None = None
    ) -> str:
        return run(["git", *arguments], self.root, text=text, environment=environment)


def find_repository(folder: Path) -> Repository:
    """Find the git repository that contains a project.

    Raises:
        UpdateError: git is missing, or the folder is in no repository.
    """
    try:
        answer = run(["git", "rev-parse", "--show-toplevel", "--show-prefix"], folder)
    except FileNotFoundError as error:
        raise UpdateError("There is no git on the PATH.", "Install git.") from error
    except ProgramError as error:
        what = f"{folder} is in no git repository: {error.said}"
        raise UpdateError(
            what, "Run the command at the root of a project that git keeps."
        ) from error
    root, prefix = answer.split("\n")[:2]
    return Repository(Path(root), Place(prefix))
