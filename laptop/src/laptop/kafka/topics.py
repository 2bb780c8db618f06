"""Topics of a broker: partitions and their offsets."""

import re
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from .errors import KafkaRefused, report_loss
from .offsets import EARLIEST, LATEST, Offsets, Partition, name, parse_partitions
from .options import SourceOptions

# Timeout of broker requests.
SECONDS = 10
_QUIET = {"log_level": "0"}
# Internal topics, which patterns do not match.
_INTERNAL = ("__consumer_offsets", "__transaction_state")


def make_consumer(options: SourceOptions) -> Any:
    """Return a consumer that commits no offsets.

    Raises:
        KafkaRefused: The client does not know a property.
    """
    from confluent_kafka import Consumer

    properties = {
        "group.id": "spark-kafka-source",
        **options.client,
        "auto.offset.reset": "error",
        "enable.auto.commit": "false",
        "enable.auto.offset.store": "false",
        "enable.partition.eof": "true",
    }
    return make_client(Consumer, properties)


def make_client(kind: Any, properties: dict[str, Any]) -> Any:
    """Return a consumer or a producer with properties.

    Raises:
        KafkaRefused: The client does not know a property.
    """
    from confluent_kafka import KafkaException

    try:
        return kind({**_QUIET, **properties})
    except KafkaException as error:
        raise KafkaRefused(
            "librdkafka, the laptop's Kafka client, does not take an option kafka.*: "
            f"{error.args[0].str()}. Set what only the Java client has on Databricks alone."
        ) from error


def list_topics(client: Any, servers: str, topic: str | None = None) -> Any:
    """Return the broker's metadata of all topics, or of one.

    Raises:
        KafkaRefused: No broker answers.
    """
    from confluent_kafka import KafkaException

    try:
        arguments = (topic,) if topic else ()
        return client.list_topics(*arguments, timeout=SECONDS).topics
    except KafkaException as error:
        raise KafkaRefused(
            f"No Kafka broker answers at '{servers}' ({error.args[0].str()}). Start one by "
            "`laptop kafka`, and give the address that it prints as kafka.bootstrap.servers."
        ) from error


class Topics:
    """The topics of a source's broker.

    Args:
        options: Options of the source.
    """

    def __init__(self, options: SourceOptions) -> None:
        self._options = options
        self._servers = options.client["bootstrap.servers"]
        self._consumer = make_consumer(options)

    def __enter__(self) -> "Topics":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._consumer.close()

    def partitions(self) -> list[Partition]:
        """Return the existing partitions selected by the options.

        Raises:
            KafkaRefused: No broker answers, or a topic does not exist.
        """
        strategy, value = self._options.strategy, self._options.topics
        if strategy == "assign":
            asked = parse_partitions(value)
            there = set(self._of(topic for topic, _ in asked))
            return [each for each in asked if each in there]
        if strategy == "subscribe":
            return self._of(topic.strip() for topic in value.split(",") if topic.strip())
        pattern = re.compile(value)
        topics = list_topics(self._consumer, self._servers)
        return self._of(t for t in topics if pattern.fullmatch(t) and t not in _INTERNAL)

    def _of(self, topics: Iterable[str]) -> list[Partition]:
        found = []
        for topic in dict.fromkeys(topics):
            described = list_topics(self._consumer, self._servers, topic)[topic]
            if described.error is not None:
                raise KafkaRefused(
                    f"UnknownTopicOrPartitionException: Topic '{topic}' is not on the broker at "
                    f"'{self._servers}' ({described.error.str()}). Send it a message first, or "
                    "correct the name."
                )
            found += [(topic, number) for number in sorted(described.partitions)]
        return found

    def bounds(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, int]]:
        """Return the low and high watermark of each partition."""
        from confluent_kafka import KafkaException, TopicPartition

        found = {}
        for each in partitions:
            try:
                found[each] = self._consumer.get_watermark_offsets(
                    TopicPartition(*each), timeout=SECONDS, cached=False
                )
            except KafkaException as error:
                raise KafkaRefused(
                    f"Offsets of {name([each])} cannot be read: {error.args[0].str()}."
                ) from error
        return found

    def resolve(self, bound: Offsets | int) -> Offsets:
        """Return the offsets with LATEST and EARLIEST resolved.

        Raises:
            KafkaRefused: The partitions do not match the existing ones.
        """
        partitions = self.partitions()
        if isinstance(bound, int):
            bound = dict.fromkeys(partitions, bound)
        if set(bound) != set(partitions):
            raise KafkaRefused(
                "[KAFKA_START_OFFSET_DOES_NOT_MATCH_ASSIGNED] Partitions specified for Kafka start "
                "offsets don't match what are assigned. Use -1 for latest, -2 for earliest. "
                f"Specified: {name(bound)} Assigned: {name(partitions)}"
            )
        there = self.bounds(each for each, offset in bound.items() if offset in (EARLIEST, LATEST))
        return {
            each: there[each][offset == LATEST] if each in there else offset
            for each, offset in bound.items()
        }

    def ranges(self, start: Offsets, end: Offsets) -> dict[Partition, tuple[int, int]]:
        """Return the available range of each partition between two offsets.

        A partition without a start begins at its first message.

        Raises:
            KafkaRefused: Messages are lost and `failOnDataLoss` is set.
        """

        def lose(reason: str, message: str) -> None:
            report_loss(reason, message, fail=self._options.fails_on_loss)

        gone = set(start) - set(end)
        if gone:
            lose("PARTITIONS_DELETED", f"Partitions {name(gone)} have been deleted.")
        found = {}
        for each, (low, high) in self.bounds(end).items():
            first, last = start.get(each, low), end[each]
            if each not in start and low != 0:
                lose(
                    "ADDED_PARTITION_DOES_NOT_START_FROM_OFFSET_ZERO",
                    f"Added partition {name([each])} starts from {low} instead of 0.",
                )
            if last < first:
                lose(
                    "PARTITION_OFFSET_CHANGED",
                    f"Partition {name([each])} offset was changed from {first} to {last}.",
                )
            elif first < last and (first < low or last > high):
                lose(
                    "COULD_NOT_READ_OFFSET_RANGE",
                    f"Could not read records in offset [{first}, {last}) for topic partition "
                    f"{name([each])}; it has [{low}, {high}).",
                )
            found[each] = (max(first, low), max(min(last, high), first, low))
        return found
