"""A query's checkpoint: offsets and commits of the micro-batches."""

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
    """A started micro-batch.

    Attributes:
        batch: Batch id.
        start: Start offset.
        end: End offset.
    """

    batch: int
    start: dict[str, Any]
    end: dict[str, Any]


class Checkpoint:
    """A folder with `metadata`, `offsets/N` and `commits/N`, in Spark's layout.

    Args:
        folder: The folder; created if it does not exist.

    Raises:
        StreamRefused: Another query uses the checkpoint.
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
        """Return the last started micro-batch, or None."""
        files = [file for file in (self._folder / "offsets").iterdir() if file.name.isdigit()]
        if not files:
            return None
        newest = max(files, key=lambda file: int(file.name))
        _, metadata, end = newest.read_text().splitlines()
        return Begun(int(newest.name), json.loads(metadata)["startedAt"], json.loads(end))

    def is_done(self, batch: int) -> bool:
        """Return whether a micro-batch is committed."""
        return (self._folder / "commits" / str(batch)).exists()

    def begin(self, batch: int, start: Mapping[str, Any], end: Mapping[str, Any]) -> None:
        """Write the offsets of a micro-batch before it is read."""
        _write(self._folder / "offsets" / str(batch), "v1", {"startedAt": start}, end)

    def finish(self, batch: int) -> None:
        """Commit a micro-batch after it was written to the sink."""
        _write(self._folder / "commits" / str(batch), "v1", {})

    def close(self) -> None:
        """Release the checkpoint's lock."""
        self._lock.close()


def _write(file: Path, *lines: str | Mapping[str, Any]) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))
    draft.replace(file)
