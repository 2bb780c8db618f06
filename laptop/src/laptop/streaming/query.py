"""One run of a streaming query: micro-batches until there is nothing left to read."""

import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from pyspark.sql import DataFrame, SparkSession

from . import plans
from .checkpoint import Checkpoint

Sink = Callable[[DataFrame, int], None]


class Source(Protocol):
    """What a query streams from. Positions are its own, with a `to_json`."""

    def start(self) -> Any:
        """Return where a query without a checkpoint begins."""

    def position(self, offset: Mapping[str, Any]) -> Any:
        """Return a position that was written to a checkpoint."""

    def next(self, position: Any, *, all_at_once: bool) -> Any:
        """Return where the next micro-batch ends, None where nothing is left."""

    def read(self, start: Any, end: Any) -> tuple[DataFrame, int]:
        """Return the rows of a micro-batch, and how many there are."""


class Query:
    """A query in a thread of its own.

    Args:
        spark: The session.
        plan: Its plan, with one streaming source.
        source: That source.
        sink: What takes the rows of a micro-batch, and its number.
        checkpoint: Where it stands.
        once: Whether all is one micro-batch.
        name: Its name, if it has one.
    """

    def __init__(
        self,
        spark: SparkSession,
        plan: Any,
        source: Source,
        sink: Sink,
        checkpoint: Checkpoint,
        *,
        once: bool,
        name: str,
    ) -> None:
        self._spark = spark
        self._plan = plan
        self._source = source
        self._sink = sink
        self._checkpoint = checkpoint
        self._once = once
        self.name = name
        self.query_id = checkpoint.query_id
        self.run_id = str(uuid.uuid4())
        self.progress: list[dict[str, Any]] = []
        self.error: BaseException | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"stream {name}")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def is_active(self) -> bool:
        """Whether it runs."""
        return self._thread.is_alive()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it has ended; tell whether it has."""
        self._thread.join(seconds)
        return not self.is_active

    def stop(self) -> None:
        """End it after the micro-batch at hand."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._take_all()
        except BaseException as error:
            self.error = error
            traceback.print_exc(file=sys.stderr)
        finally:
            self._checkpoint.close()

    def _take_all(self) -> None:
        last = self._checkpoint.last()
        batch = last.batch if last else -1
        position = self._source.position(last.end) if last else self._source.start()
        if last is not None and not self._checkpoint.is_done(batch):
            # What a killed query had begun is read again, from where it began to where it ended.
            self._take(batch, self._source.position(last.start), position)
        while not self._stopping.is_set():
            end = self._source.next(position, all_at_once=self._once)
            if end is None:
                return
            batch += 1
            self._checkpoint.begin(batch, position.to_json(), end.to_json())
            self._take(batch, position, end)
            position = end

    def _take(self, batch: int, start: Any, end: Any) -> None:
        began, at = time.perf_counter(), datetime.now(UTC)
        rows, count = self._source.read(start, end)
        self._sink(plans.over(self._spark, self._plan, rows), batch)
        self._checkpoint.finish(batch)
        milliseconds = round((time.perf_counter() - began) * 1000)
        rate = count / max(milliseconds / 1000, 1e-3)
        self.progress.append(
            {
                "id": self.query_id,
                "runId": self.run_id,
                "name": self.name or None,
                "timestamp": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z",
                "batchId": batch,
                "batchDuration": milliseconds,
                "numInputRows": count,
                "inputRowsPerSecond": rate,
                "processedRowsPerSecond": rate,
                "stateOperators": [],
                "sources": [],
                "sink": {"description": "ForeachBatchSink", "numOutputRows": -1},
            }
        )
