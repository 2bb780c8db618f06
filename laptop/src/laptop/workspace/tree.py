"""The workspace's files: one tree of folders on disk, named by workspace paths."""

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
    """Folders and files below `/Workspace`, which may be left out of a path as on Databricks.

    A file is there as a whole or not at all, and of two that make the same new one only one
    succeeds: the CLI's deploy lock relies on it.

    Args:
        state: Where the objects' numbers last.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._root = StateDir(state.folder).files
        self._drafts = StateDir(state.folder).drafts
        self._lock = threading.RLock()
        # What a killed workspace was about to write or remove.
        shutil.rmtree(self._drafts, ignore_errors=True)
        self._drafts.mkdir(parents=True)
        for name in FOLDERS:
            (self._root / name).mkdir(parents=True, exist_ok=True)

    def locate(self, path: str) -> Path:
        """Return where a path is kept, whether or not something is there.

        Raises:
            ApiError: 400, for a path that is relative or would lead out of the tree.
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
        """Return what is at a path, as `workspace/get-status` shows it."""
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
        """Return what a folder holds; of a file, the file itself."""
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
        """Make a file in a folder that is there.

        Raises:
            ApiError: 404, without the folder; 409, where a file is and may not be replaced; 400,
                where a folder is.
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
        """Make a folder, and those it stands in, where they are not there yet."""
        with self._lock:
            try:
                self.locate(path).mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise taken(400, path) from None

    def delete(self, path: str, *, recursive: bool) -> None:
        """Remove a file, or a folder.

        Raises:
            ApiError: 404, where nothing is; 400, for a folder that holds something unless
                `recursive`, and for the folders that every workspace has.
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
            # Gone for whoever looks next, even if the removal itself is interrupted.
            place.replace(draft)
            for known in self._state.all(OBJECT):
                if known["name"] == name or known["name"].startswith(f"{name}/"):
                    self._state.delete(OBJECT, known["name"])

    def has_object(self, number: str) -> bool:
        """Tell whether a folder or file has a number."""
        return any(str(known["object_id"]) == number for known in self._state.all(OBJECT))

    def _number(self, name: str) -> int:
        known = self._state.get(OBJECT, name)
        if known is None:
            known = {"name": name, "object_id": self._state.count(OBJECT)}
            self._state.put(OBJECT, name, known)
        return int(known["object_id"])

    @contextmanager
    def _draft(self) -> Iterator[Path]:
        """Give a free name beside the tree; what is left there is removed."""
        draft = self._drafts / uuid.uuid4().hex
        try:
            yield draft
        finally:
            if draft.is_dir():
                shutil.rmtree(draft)
            draft.unlink(missing_ok=True)


def allowed(name: str) -> bool:
    """Tell whether a name may stand in a path."""
    return name not in (".", "..") and "\0" not in name and len(name.encode()) <= LONGEST_NAME


def absent(path: str) -> ApiError:
    """Return the 404 of a path at which nothing is."""
    return ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Path ({path}) doesn't exist.")


def taken(status: int, path: str) -> ApiError:
    """Return the error of a path at which something is; its last words are what the CLI reads."""
    return ApiError(status, "RESOURCE_ALREADY_EXISTS", f"Path ({path}) already exists.")
