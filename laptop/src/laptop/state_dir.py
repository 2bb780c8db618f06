"""The state folder of a laptop workspace."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import LaptopError

# Has no folder path, so that MLflow's records stay valid in a copy of the state folder.
ARTIFACTS_URI = "laptop-artifacts:/"


@dataclass(frozen=True)
class StateDir:
    """Paths in a state folder, `.laptop/` next to `databricks.yml`.

    Attributes:
        path: The state folder.
    """

    path: Path

    @classmethod
    def beside(cls, root: Path) -> "StateDir":
        """Return the state folder of the bundle at `root`; `LAPTOP_HOME` overrides it."""
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
        """Unpacked wheels, one folder per content hash."""
        return self.path / "wheels"

    @property
    def files(self) -> Path:
        """Workspace files, under their workspace paths."""
        return self.path / "files"

    @property
    def jobs_file(self) -> Path:
        """Ids of the jobs created by `laptop run`, by bundle, target and key."""
        return self.path / "jobs.json"

    @property
    def frames(self) -> Path:
        """Rows passed from tasks to the engine, one file each, deleted after the task."""
        return self.path / "frames"

    @property
    def drafts(self) -> Path:
        """Workspace files during upload or download."""
        return self.path / "files.new"

    @property
    def connection_file(self) -> Path:
        """Process id, port and token of the running workspace; readable by its owner only."""
        return self.path / "workspace.json"

    @property
    def lock_file(self) -> Path:
        """Lock of the workspace process."""
        return self.path / "lock"

    @property
    def log_file(self) -> Path:
        """Output of the workspace process."""
        return self.path / "workspace.log"

    def create(self) -> None:
        """Create the folder and exclude it from version control."""
        self.path.mkdir(parents=True, exist_ok=True)
        ignore = self.path / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")


def require_state_dir() -> StateDir:
    """Return the state folder of the current task's workspace.

    Raises:
        LaptopError: The process is not a task of a workspace.
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
    """Hold an exclusive lock on a file; wait until it is free."""
    import fcntl

    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
