"""Kafka as a source: each micro-batch is a range of offsets per partition."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from ..kafka import offsets
from ..kafka.errors import KafkaRefused
from ..kafka.offsets import EARLIEST, LATEST, Offsets
from ..kafka.options import SourceOptions
from ..kafka.topics import Topics
from .errors import StreamRefused

# Options that the stream replaces for each micro-batch.
_PLACES = {"subscribe", "subscribepattern", "assign", "startingoffsets", "maxoffsetspertrigger"}


@dataclass(frozen=True)
class Position:
    """Next offset by partition."""

    offsets: Offsets

    def to_json(self) -> dict[str, Any]:
        """Return the offset in Spark's checkpoint format."""
        return offsets.write_offsets(self.offsets)


class KafkaSource:
    """Messages of topics; the latest offsets are fixed on first use.

    Args:
        spark: Session of the query.
        read: Read relation of the plan.

    Raises:
        StreamRefused: An option is not supported.
    """

    def __init__(self, spark: SparkSession, read: Any) -> None:
        if read.schema:
            raise StreamRefused(
                "Kafka source has a fixed schema and cannot be set with a custom one"
            )
        self._spark = spark
        self._given = dict(read.options)
        try:
            self._options = SourceOptions(read.options, streaming=True)
        except KafkaRefused as error:
            raise StreamRefused(str(error)) from error
        self._is_new = False

    @cached_property
    def _latest(self) -> Offsets:
        with Topics(self._options) as topics:
            return topics.resolve(LATEST)

    def position(self, offset: Mapping[str, Any]) -> Position:
        """Parse an offset from the checkpoint.

        Raises:
            StreamRefused: The checkpoint belongs to another type of source.
        """
        try:
            return Position(offsets.parse_offsets(json.dumps(offset)))
        except KafkaRefused as error:
            raise StreamRefused(
                f"The checkpoint is not one of a stream from Kafka. {error}. Start with a new one."
            ) from error

    def start(self) -> Position:
        """Return the start offset of a query without a checkpoint."""
        self._is_new = True
        with Topics(self._options) as topics:
            return Position(topics.resolve(self._options.starting))

    def next(self, position: Position, *, all_at_once: bool) -> Position | None:
        """Return the end offset of the next micro-batch; None if there are no new messages.

        A new query has a first micro-batch even without messages, to write its start offset to the
        checkpoint.
        """
        end = self._latest
        if self._options.most is not None and not all_at_once:
            end = offsets.limit(self._options.most, self._complete(position), end)
        is_new, self._is_new = self._is_new, False
        return Position(end) if end and (is_new or end != position.offsets) else None

    def _complete(self, position: Position) -> Offsets:
        """Return a position with the first offsets of new partitions added."""
        new = dict.fromkeys(set(self._latest) - set(position.offsets), EARLIEST)
        if not new:
            return position.offsets
        with Topics(self._options) as topics:
            lows = {each: low for each, (low, _) in topics.bounds(new).items()}
        return {**position.offsets, **lows}

    def read(self, start: Position, end: Position) -> tuple[DataFrame, int]:
        """Return the messages of a micro-batch and their number.

        Raises:
            KafkaRefused: Messages are lost and `failOnDataLoss` is set.
        """
        with Topics(self._options) as topics:
            ranges = topics.ranges(start.offsets, end.offsets)
        options = {key: value for key, value in self._given.items() if key.lower() not in _PLACES}
        bounds = [{each: pair[at] for each, pair in ranges.items()} for at in (0, 1)]
        options["assign"] = offsets.write_partitions(ranges)
        options["startingOffsets"], options["endingOffsets"] = (
            json.dumps(offsets.write_offsets(bound)) for bound in bounds
        )
        rows = self._spark.read.format("kafka").options(**options).load()
        return rows, sum(last - first for first, last in ranges.values())
