"""Kafka as a Python data source, with reads and writes in Arrow batches."""

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
# Messages per Arrow batch.
_BATCH = 10_000
# Delivery timeout of a write.
_WRITE_SECONDS = 30


class KafkaDataSource(DataSource):
    """The `kafka` data source."""

    @classmethod
    def name(cls) -> str:
        """Return the format's name."""
        return FORMAT

    def schema(self) -> StructType:
        """Return the schema of messages."""
        return SCHEMA

    def reader(self, schema: StructType) -> "Reader":  # noqa: ARG002
        """Return a batch reader.

        Raises:
            KafkaRefused: The read is a stream.
        """
        if STREAMED in self.options:
            raise KafkaRefused(
                "Queries with streaming sources must be executed with writeStream.start()"
            )
        return Reader(SourceOptions(self.options, streaming=False))

    def writer(self, schema: StructType, overwrite: bool) -> "Writer":  # noqa: ARG002
        """Return a writer."""
        return Writer(self.options)


@dataclass
class Range(InputPartition):
    """A range of messages of a partition.

    Attributes:
        partition: Topic and partition number.
        start: First offset.
        end: Last offset plus one.
    """

    partition: Partition
    start: int
    end: int


class Reader(DataSourceReader):
    """Reads the messages within the options' offsets.

    Args:
        options: Options of the source.
    """

    def __init__(self, options: SourceOptions) -> None:
        self._options = options

    def partitions(self) -> list[InputPartition]:
        """Return one range per partition."""
        with Topics(self._options) as topics:
            start = topics.resolve(self._options.starting)
            found = topics.ranges(start, topics.resolve(self._options.ending))
        return [Range(each, *bounds) for each, bounds in found.items()]

    def read(self, partition: Range) -> Iterator[pa.RecordBatch]:  # type: ignore[override]
        """Yield the messages of a range.

        Raises:
            KafkaRefused: Messages did not arrive in time, or are lost and `failOnDataLoss` is set.
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
                    # The last offsets of a range may have no messages.
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
        """Return the next available offset after deleted messages."""
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
            # librdkafka starts with "not available" at 0, Spark with "CreateTime".
            "timestampType": pa.array([kind - 1 for kind, _ in stamps], pa.int32()),
        }
    )


class Writer(DataSourceArrowWriter):
    """Sends rows to a topic.

    Args:
        options: Options of the sink.
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        given = {key.lower(): value for key, value in options.items()}
        self._topic = given["topic"].strip() if "topic" in given else None
        self._client = client_options(options, "producer")

    def write(self, iterator: Iterator[pa.RecordBatch]) -> WriterCommitMessage:
        """Send rows and wait for the broker's acknowledgements.

        Raises:
            KafkaRefused: No broker answers, or it rejects a message.
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
