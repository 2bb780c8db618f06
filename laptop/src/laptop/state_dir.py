"""The folder in which a laptop workspace keeps everything it knows."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import LaptopError

# Says not where the folder is, so that MLflow's records hold in a copy of it.
ARTIFACTS_URI = "laptop-artifacts:/"


@dataclass(frozen=True)
class StateDir:
    """Paths below one state folder, `.laptop/` beside `databricks.yml`.

    Attributes:
        path: The state folder.
    """

    path: Path

    @classmethod
    def beside(cls, root: Path) -> "StateDir":
        """Return the state folder of the bundle at `root`; `LAPTOP_HOME` names another one."""
        named = os.environ.get("LAPTOP_HOME")
        return cls(Path(named).resolve() if named else root.resolve() / ".laptop")

    @property
    def catalog_db(self) -> Path:
        """Metadata of the workspace: schemas, tables, endpoints, jobs, runs."""
        return self.path / "catalog.db"

    @property
    def mlflow_db(self) -> Path:
        """MLflow's tracking and registry store."""
        return self.path / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        """MLflow's artifacts."""
        return self.path / "artifacts"

    @property
    def wheels(self) -> Path:
        """Unpacked wheels, one folder a content hash."""
        return self.path / "wheels"

    @property
    def files(self) -> Path:
        """Workspace files, under their own names."""
        return self.path / "files"

    @property
    def jobs_file(self) -> Path:
        """The numbers of the jobs that `laptop run` has made, by bundle, target and key."""
        return self.path / "jobs.json"

    @property
    def frames(self) -> Path:
        """Rows that tasks hand to the engine, one file each, as long as the task runs."""
        return self.path / "frames"

    @property
    def drafts(self) -> Path:
        """Workspace files on their way in or out."""
        return self.path / "files.new"

    @property
    def connection_file(self) -> Path:
        """Process id, port and token of the workspace that is up; readable by its owner alone."""
        return self.path / "workspace.json"

    @property
    def lock_file(self) -> Path:
        """Held by the one workspace process of this folder."""
        return self.path / "lock"

    @property
    def log_file(self) -> Path:
        """What the workspace process prints."""
        return self.path / "workspace.log"

    def create(self) -> None:
        """Make the folder and keep it out of version control."""
        self.path.mkdir(parents=True, exist_ok=True)
        ignore = self.path / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")


def require_state_dir() -> StateDir:
    """Return the state folder of the workspace this task runs in.

    Raises:
        LaptopError: This is no task of a workspace.
    """
    named = os.environ.get("LAPTOP_HOME")
    if not named:
        raise LaptopError(
            "LAPTOP_HOME is not set, so the workspace's folder is not known. Run the task with "
            "`laptop run`."
        )
    return StateDir(Path(named))


@contextmanager
def file_lock(lock: Path) -> Iterator[None]:
    """Hold a lock file, which at most one process at a time can; waits for the others."""
    import fcntl

    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
