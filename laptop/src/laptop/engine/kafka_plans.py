"""Reads and writes of `format("kafka")`, run by a Python data source in the engine."""

from typing import TYPE_CHECKING, Any

from pyspark.sql.connect.proto import commands_pb2, relations_pb2

from ..kafka.options import STREAMED, SourceOptions, client_options
from .tokens import StatementRefused

if TYPE_CHECKING:
    from .plans import Session

FORMAT = "kafka"
_TEXT = ("string", "binary")
# Types that the sink accepts for each column, in the order of Spark's checks.
_COLUMNS = {"topic": ("string",), "key": _TEXT, "value": _TEXT, "partition": ("int",)}
_MODES = commands_pb2.WriteOperation
_NEVER = {_MODES.SAVE_MODE_OVERWRITE: "Overwrite", _MODES.SAVE_MODE_IGNORE: "Ignore"}


def is_kafka(source: str) -> bool:
    """Return whether a format is `kafka`."""
    return source.lower() == FORMAT


def prepare_read(session: "Session", read: Any) -> None:
    """Validate a Kafka read and register its data source.

    Raises:
        KafkaRefused: An option is not supported.
        StatementRefused: The reader sets a schema.
    """
    if read.data_source.schema:
        raise StatementRefused(
            "Kafka source has a fixed schema and cannot be set with a custom one"
        )
    SourceOptions(read.data_source.options, streaming=read.is_streaming)
    if read.is_streaming:
        # The engine would read it as a batch.
        read.data_source.options[STREAMED] = "true"
    _register(session)


def prepare_write(session: "Session", operation: Any) -> None:
    """Validate a Kafka write and register its data source.

    Raises:
        KafkaRefused: An option is not supported.
        StatementRefused: The save mode or a column is not supported.
    """
    if operation.mode in _NEVER:
        raise StatementRefused(
            f"Save mode {_NEVER[operation.mode]} not allowed for Kafka. Allowed save modes are "
            "Append and ErrorIfExists (default)."
        )
    kinds = dict(session.frame(operation.input).dtypes)
    given = {key.lower() for key in operation.options}
    if "topic" not in given and "topic" not in kinds:
        raise StatementRefused(
            "topic option required when no 'topic' attribute is present. Use the topic option for "
            "setting a topic."
        )
    if "value" not in kinds:
        raise StatementRefused("Required attribute 'value' not found")
    if "headers" in kinds:
        raise StatementRefused(
            "Column 'headers' of a Kafka message is not supported on the laptop: drop it."
        )
    if "topic" in given:
        kinds.pop("topic", None)
    for column, allowed in _COLUMNS.items():
        if column in kinds and kinds[column] not in allowed:
            raise StatementRefused(
                f"{column} attribute unsupported type {kinds[column]}. {column} must be a(n) "
                f"{' or '.join(allowed)}"
            )
    client_options(operation.options, "producer")
    # After a join or an aggregation the engine writes more partitions than it expects.
    rows = relations_pb2.Relation()
    rows.CopyFrom(operation.input)
    operation.input.repartition.input.CopyFrom(rows)
    operation.input.repartition.num_partitions = 1
    operation.input.repartition.shuffle = True
    _register(session)


def _register(session: "Session") -> None:
    if FORMAT in session.sources:
        return
    from ..kafka.data_source import KafkaDataSource

    session.spark.dataSource.register(KafkaDataSource)
    session.sources.add(FORMAT)
