"""One run of a streaming query: micro-batches until no input is left."""

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
    """Source of a query; its positions have a `to_json`."""

    def start(self) -> Any:
        """Return the start offset of a query without a checkpoint."""

    def position(self, offset: Mapping[str, Any]) -> Any:
        """Parse an offset from the checkpoint."""

    def next(self, position: Any, *, all_at_once: bool) -> Any:
        """Return the end offset of the next micro-batch; None if there is no new input."""

    def read(self, start: Any, end: Any) -> tuple[DataFrame, int]:
        """Return the rows of a micro-batch and their number."""


class Query:
    """A query in its own thread.

    Args:
        spark: The session.
        plan: Plan with one streaming source.
        source: The source.
        sink: Called with the rows of each micro-batch and its id.
        checkpoint: Checkpoint of the query.
        once: Whether to process all input in one micro-batch.
        name: Name of the query, or empty.
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
        """Start the thread."""
        self._thread.start()

    @property
    def is_active(self) -> bool:
        """Whether the query is active."""
        return self._thread.is_alive()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the query; return whether it has ended."""
        self._thread.join(seconds)
        return not self.is_active

    def stop(self) -> None:
        """Stop the query after the current micro-batch."""
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
            # Repeat an uncommitted micro-batch with the same offsets.
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
