"""A query's checkpoint: what each micro-batch reads, and which are done."""

import fcntl
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from .errors import StreamRefused


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

    def last(self) -> tuple[int, dict[str, Any] | None]:
        """Return the last micro-batch that was begun, and its offset; -1 and None for none."""
        files = [file for file in (self._folder / "offsets").iterdir() if file.name.isdigit()]
        if not files:
            return -1, None
        newest = max(files, key=lambda file: int(file.name))
        return int(newest.name), json.loads(newest.read_text())

    def is_done(self, batch: int) -> bool:
        """Tell whether a micro-batch was written to its sink."""
        return (self._folder / "commits" / str(batch)).exists()

    def begin(self, batch: int, offset: Mapping[str, Any]) -> None:
        """Record where a micro-batch ends, before it is read."""
        _write(self._folder / "offsets" / str(batch), offset)

    def finish(self, batch: int) -> None:
        """Record that a micro-batch was written to its sink."""
        _write(self._folder / "commits" / str(batch), {})

    def close(self) -> None:
        """Let another query have it."""
        self._lock.close()


def _write(file: Path, content: Mapping[str, Any]) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text(json.dumps(content))
    draft.replace(file)
