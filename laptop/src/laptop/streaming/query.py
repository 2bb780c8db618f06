"""One run of a streaming query: micro-batches until there is nothing left to read."""

import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from . import plans
from .checkpoint import Checkpoint
from .delta_source import DeltaSource, Position

Sink = Callable[[DataFrame, int], None]


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
        source: DeltaSource,
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
        batch, offset = self._checkpoint.last()
        if offset is not None and not self._checkpoint.is_done(batch):
            # What a killed query had begun is read again, from where it began to where it ended.
            start = Position.from_json(offset["startedAt"])
            self._take(batch, start, Position.from_json(offset))
        position = Position.from_json(offset) if offset else self._source.start()
        while not self._stopping.is_set():
            end = self._source.next(position, all_at_once=self._once)
            if end is None:
                return
            batch += 1
            self._checkpoint.begin(batch, {**end.to_json(), "startedAt": position.to_json()})
            self._take(batch, position, end)
            position = end

    def _take(self, batch: int, start: Position, end: Position) -> None:
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
