"""Kafka as a data source of Python, which the engine reads and writes in batches of Arrow."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql.datasource import (
    DataSource,
    DataSourceArrowWriter,
    DataSourceReader,
    InputPartition,
    WriterCommitMessage,
)
from pyspark.sql.types import (
    BinaryType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from .errors import KafkaRefused, report_loss
from .offsets import Partition, name
from .options import STREAMED, SourceOptions, client_options
from .topics import SECONDS, Topics, list_topics, make_client, make_consumer

FORMAT = "kafka"
SCHEMA = StructType(
    [
        StructField("key", BinaryType()),
        StructField("value", BinaryType()),
        StructField("topic", StringType()),
        StructField("partition", IntegerType()),
        StructField("offset", LongType()),
        StructField("timestamp", TimestampType()),
        StructField("timestampType", IntegerType()),
    ]
)
# Messages of one batch of Arrow.
_BATCH = 10_000
# How long messages wait for the broker before the write has failed.
_WRITE_SECONDS = 30


class KafkaDataSource(DataSource):
    """Kafka, by its options."""

    @classmethod
    def name(cls) -> str:
        """Return its format."""
        return FORMAT

    def schema(self) -> StructType:
        """Return the columns that are read."""
        return SCHEMA

    def reader(self, schema: StructType) -> "Reader":  # noqa: ARG002
        """Return what reads.

        Raises:
            KafkaRefused: It is to be streamed.
        """
        if STREAMED in self.options:
            raise KafkaRefused(
                "Queries with streaming sources must be executed with writeStream.start()"
            )
        return Reader(SourceOptions(self.options, streaming=False))

    def writer(self, schema: StructType, overwrite: bool) -> "Writer":  # noqa: ARG002
        """Return what writes."""
        return Writer(self.options)


@dataclass
class Range(InputPartition):
    """Messages of a partition.

    Attributes:
        partition: Its topic and number.
        start: First offset.
        end: The offset behind the last.
    """

    partition: Partition
    start: int
    end: int


class Reader(DataSourceReader):
    """Reads what the options bound.

    Args:
        options: Of the reader.
    """

    def __init__(self, options: SourceOptions) -> None:
        self._options = options

    def partitions(self) -> list[InputPartition]:
        """Return the ranges to read, each by itself."""
        with Topics(self._options) as topics:
            start = topics.resolve(self._options.starting)
            found = topics.ranges(start, topics.resolve(self._options.ending))
        return [Range(each, *bounds) for each, bounds in found.items()]

    def read(self, partition: Range) -> Iterator[pa.RecordBatch]:  # type: ignore[override]
        """Yield the messages of a range.

        Raises:
            KafkaRefused: They do not come, or are gone, and that is an error.
        """
        if partition.start == partition.end:
            return
        consumer = make_consumer(self._options)
        try:
            yield from self._consume(consumer, partition)
        finally:
            consumer.close()

    def _consume(self, consumer: Any, wanted: Range) -> Iterator[pa.RecordBatch]:
        from confluent_kafka import KafkaError, TopicPartition

        position, end = wanted.start, wanted.end
        consumer.assign([TopicPartition(*wanted.partition, position)])
        until = time.monotonic() + self._options.poll_seconds
        while position < end:
            messages = consumer.consume(min(_BATCH, end - position), timeout=1)
            good = [each for each in messages if each.error() is None and each.offset() < end]
            if good:
                yield _to_arrow(good)
                until = time.monotonic() + self._options.poll_seconds
            for each in messages:
                if each.error() is None:
                    position = max(position, each.offset() + 1)
                elif each.error().code() == KafkaError._PARTITION_EOF:
                    # No message follows: the last offsets of a range may hold none.
                    position = max(position, each.offset())
                elif each.error().code() == KafkaError._AUTO_OFFSET_RESET:
                    position = self._move_on(consumer, wanted, position)
                elif not each.error().retriable():
                    raise KafkaRefused(f"{name([wanted.partition])}: {each.error().str()}")
            if time.monotonic() > until:
                raise KafkaRefused(
                    f"Messages [{position}, {end}) of {name([wanted.partition])} did not come "
                    f"within {self._options.poll_seconds:g} s. Check the broker, or set "
                    "kafkaConsumer.pollTimeoutMs."
                )

    def _move_on(self, consumer: Any, wanted: Range, position: int) -> int:
        """Return where messages are found behind those that were deleted meanwhile."""
        from confluent_kafka import TopicPartition

        partition = TopicPartition(*wanted.partition)
        low, high = consumer.get_watermark_offsets(partition, timeout=SECONDS, cached=False)
        report_loss(
            "COULD_NOT_READ_OFFSET_RANGE",
            f"Could not read records in offset [{position}, {wanted.end}) for topic partition "
            f"{name([wanted.partition])}; it has [{low}, {high}).",
            fail=self._options.fails_on_loss,
        )
        if high <= position:
            return wanted.end
        moved = max(position, int(low))
        consumer.assign([TopicPartition(*wanted.partition, moved)])
        return moved


def _to_arrow(messages: list[Any]) -> pa.RecordBatch:
    stamps = [message.timestamp() for message in messages]
    return pa.RecordBatch.from_pydict(
        {
            "key": pa.array([message.key() for message in messages], pa.binary()),
            "value": pa.array([message.value() for message in messages], pa.binary()),
            "topic": pa.array([message.topic() for message in messages], pa.string()),
            "partition": pa.array([message.partition() for message in messages], pa.int32()),
            "offset": pa.array([message.offset() for message in messages], pa.int64()),
            "timestamp": pa.array(
                [milliseconds * 1000 for _, milliseconds in stamps], pa.timestamp("us", "UTC")
            ),
            # The client counts from a time that is not known, Spark from a message's own.
            "timestampType": pa.array([kind - 1 for kind, _ in stamps], pa.int32()),
        }
    )


class Writer(DataSourceArrowWriter):
    """Sends rows to a topic.

    Args:
        options: Of the writer.
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        given = {key.lower(): value for key, value in options.items()}
        self._topic = given["topic"].strip() if "topic" in given else None
        self._client = client_options(options, "producer")

    def write(self, iterator: Iterator[pa.RecordBatch]) -> WriterCommitMessage:
        """Send the rows of a part; each has reached the broker when this returns.

        Raises:
            KafkaRefused: No broker answers, or it does not take a message.
        """
        from confluent_kafka import KafkaException, Producer

        properties: dict[str, Any] = dict(self._client)
        if "acks" not in properties:
            properties.setdefault("enable.idempotence", "true")
        if "delivery.timeout.ms" not in properties:
            properties.setdefault("message.timeout.ms", str(_WRITE_SECONDS * 1000))
        producer = make_client(Producer, properties)
        list_topics(producer, self._client["bootstrap.servers"])
        failed: list[Any] = []

        def deliver(error: Any, message: Any) -> None:  # noqa: ARG001
            if error is not None:
                failed.append(error)

        for batch in iterator:
            for message in self._messages(batch):
                while not failed:
                    try:
                        producer.produce(**message, on_delivery=deliver)
                        break
                    except BufferError:
                        producer.poll(0.1)
                    except KafkaException as error:
                        failed.append(error.args[0])
            producer.poll(0)
            if failed:
                break
        producer.flush()
        if failed:
            raise KafkaRefused(f"Rows were not written to Kafka: {failed[0].str()}.")
        return WriterCommitMessage()

    def _messages(self, batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
        columns = {field.name: at for at, field in enumerate(batch.schema)}

        def values(column: str) -> list[Any]:
            if column not in columns:
                return [None] * batch.num_rows
            found: list[Any] = batch.column(columns[column]).to_pylist()
            return found

        topics = [self._topic] * batch.num_rows if self._topic else values("topic")
        rows = zip(topics, values("key"), values("value"), values("partition"), strict=True)
        for topic, key, value, partition in rows:
            if topic is None:
                raise KafkaRefused(
                    "[KAFKA_NULL_TOPIC_IN_DATA] The Kafka message data sent to the producer "
                    "contains a null topic. Use the `topic` option for setting a default topic."
                )
            message = {"topic": topic, "key": key, "value": value}
            yield message if partition is None else {**message, "partition": partition}
