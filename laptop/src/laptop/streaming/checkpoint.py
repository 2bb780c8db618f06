"""A query's checkpoint: what each micro-batch reads, and which are done."""

import fcntl
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .errors import StreamRefused


@dataclass(frozen=True)
class Begun:
    """A micro-batch that was begun.

    Attributes:
        batch: Its number.
        start: Where it begins.
        end: Where it ends.
    """

    batch: int
    start: dict[str, Any]
    end: dict[str, Any]


class Checkpoint:
    """A folder with `metadata`, `offsets/N` and `commits/N`, as Spark lays it out.

    Args:
        folder: Where; made where it is missing.

    Raises:
        StreamRefused: Another query uses it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for part in ("offsets", "commits"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        self._lock: IO[str] = (folder / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StreamRefused(
                "[CONCURRENT_STREAM_LOG_UPDATE] Concurrent update to the log. Another query uses "
                "this checkpoint: wait until it has ended, or give this one its own."
            ) from error
        metadata = folder / "metadata"
        if not metadata.exists():
            _write(metadata, {"id": str(uuid.uuid4())})
        self.query_id: str = json.loads(metadata.read_text())["id"]

    def last(self) -> "Begun | None":
        """Return the last micro-batch that was begun, None where none was."""
        files = [file for file in (self._folder / "offsets").iterdir() if file.name.isdigit()]
        if not files:
            return None
        newest = max(files, key=lambda file: int(file.name))
        _, metadata, end = newest.read_text().splitlines()
        return Begun(int(newest.name), json.loads(metadata)["startedAt"], json.loads(end))

    def is_done(self, batch: int) -> bool:
        """Tell whether a micro-batch was written to its sink."""
        return (self._folder / "commits" / str(batch)).exists()

    def begin(self, batch: int, start: Mapping[str, Any], end: Mapping[str, Any]) -> None:
        """Record where a micro-batch begins and ends, before it is read."""
        _write(self._folder / "offsets" / str(batch), "v1", {"startedAt": start}, end)

    def finish(self, batch: int) -> None:
        """Record that a micro-batch was written to its sink."""
        _write(self._folder / "commits" / str(batch), "v1", {})

    def close(self) -> None:
        """Let another query have it."""
        self._lock.close()


def _write(file: Path, *lines: str | Mapping[str, Any]) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))
    draft.replace(file)
