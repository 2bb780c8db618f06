"""Workspace files: one tree of folders on disk, addressed by workspace paths."""

import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..identity import USER_NAME
from ..state_dir import StateDir
from .errors import ApiError
from .state import Document, State

OBJECT = "workspace-object"
FOLDERS = ("Shared", "Users", f"Users/{USER_NAME}")
LONGEST_NAME = 255


class FileTree:
    """Folders and files below `/Workspace`, a prefix that is optional as on Databricks.

    Writes are atomic. If two clients create the same file, only one succeeds: the CLI's deploy
    lock relies on it.

    Args:
        state: The workspace's state, with the object IDs.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._root = StateDir(state.folder).files
        self._drafts = StateDir(state.folder).drafts
        self._lock = threading.RLock()
        # Left over from a killed workspace.
        shutil.rmtree(self._drafts, ignore_errors=True)
        self._drafts.mkdir(parents=True)
        for name in FOLDERS:
            (self._root / name).mkdir(parents=True, exist_ok=True)

    def locate(self, path: str) -> Path:
        """Return the local path of a workspace path, which need not exist.

        Raises:
            ApiError: 400 for a path that is relative or outside the tree.
        """
        names = [name for name in path.split("/") if name]
        if not path.startswith("/") or any(not allowed(name) for name in names):
            raise ApiError(
                400,
                "INVALID_PARAMETER_VALUE",
                f"Path ({path}) must begin with '/', and its names be neither '.' nor '..' nor "
                f"longer than {LONGEST_NAME} bytes.",
            )
        return self._root.joinpath(*names[names[:1] == ["Workspace"] :])

    def describe(self, path: str) -> Document:
        """Return the status of a path, as `workspace/get-status` shows it."""
        with self._lock:
            place = self.locate(path)
            if not place.exists():
                raise absent(path)
            facts = place.stat()
            name = place.relative_to(self._root).as_posix()
            number = self._number(name)
            document: Document = {
                "object_type": "DIRECTORY" if place.is_dir() else "FILE",
                "path": f"/{'/'.join(part for part in path.split('/') if part)}",
                "object_id": number,
                "resource_id": str(number),
                "modified_at": int(facts.st_mtime * 1000),
            }
            return document if place.is_dir() else document | {"size": facts.st_size}

    def list(self, path: str) -> list[Document]:
        """Return the content of a folder; for a file, the file itself."""
        with self._lock:
            place = self.locate(path)
            if not place.exists():
                raise absent(path)
            if not place.is_dir():
                return [self.describe(path)]
            return [
                self.describe(f"{path}/{name}") for name in sorted(p.name for p in place.iterdir())
            ]

    def read(self, path: str) -> bytes:
        """Return a file's content."""
        with self._lock:
            place = self.locate(path)
            if not place.exists():
                raise absent(path)
            if place.is_dir():
                raise ApiError(400, "BAD_REQUEST", f"Path ({path}) is a directory, not a file.")
            return place.read_bytes()

    def write(self, path: str, content: bytes, *, overwrite: bool) -> None:
        """Write a file in an existing folder.

        Raises:
            ApiError: 404 if the folder is missing; 409 if the file exists and `overwrite` is False;
                400 if the path is a folder.
        """
        with self._lock, self._draft() as draft:
            place = self.locate(path)
            if not place.parent.is_dir():
                text = f"The parent folder ({path.rpartition('/')[0]}) does not exist."
                raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", text)
            if place.is_dir():
                raise taken(400, path)
            if place.exists() and not overwrite:
                raise taken(409, path)
            draft.write_bytes(content)
            draft.replace(place)

    def make(self, path: str) -> None:
        """Create a folder and its parents, if they do not exist."""
        with self._lock:
            try:
                self.locate(path).mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise taken(400, path) from None

    def delete(self, path: str, *, recursive: bool) -> None:
        """Delete a file or a folder.

        Raises:
            ApiError: 404 if the path does not exist; 400 for a folder that is not empty unless
                `recursive`, and for the predefined folders.
        """
        with self._lock, self._draft() as draft:
            place = self.locate(path)
            if not place.exists():
                raise absent(path)
            name = place.relative_to(self._root).as_posix()
            if name in (".", *FOLDERS):
                raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Folder ({path}) must stay.")
            if place.is_dir() and any(place.iterdir()) and not recursive:
                raise ApiError(400, "DIRECTORY_NOT_EMPTY", f"Folder ({path}) is not empty.")
            # Atomic, even if the removal itself is interrupted.
            place.replace(draft)
            for known in self._state.all(OBJECT):
                if known["name"] == name or known["name"].startswith(f"{name}/"):
                    self._state.delete(OBJECT, known["name"])

    def has_object(self, number: str) -> bool:
        """Return whether a folder or file has this object ID."""
        return any(str(known["object_id"]) == number for known in self._state.all(OBJECT))

    def _number(self, name: str) -> int:
        known = self._state.get(OBJECT, name)
        if known is None:
            known = {"name": name, "object_id": self._state.count(OBJECT)}
            self._state.put(OBJECT, name, known)
        return int(known["object_id"])

    @contextmanager
    def _draft(self) -> Iterator[Path]:
        """Yield a free path outside the tree, and remove it afterwards."""
        draft = self._drafts / uuid.uuid4().hex
        try:
            yield draft
        finally:
            if draft.is_dir():
                shutil.rmtree(draft)
            draft.unlink(missing_ok=True)


def allowed(name: str) -> bool:
    """Return whether a name is allowed in a path."""
    return name not in (".", "..") and "\0" not in name and len(name.encode()) <= LONGEST_NAME


def absent(path: str) -> ApiError:
    """Return the 404 for a missing path."""
    return ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Path ({path}) doesn't exist.")


def taken(status: int, path: str) -> ApiError:
    """Return the error for an existing path; the CLI checks the end of its message."""
    return ApiError(status, "RESOURCE_ALREADY_EXISTS", f"Path ({path}) already exists.")
