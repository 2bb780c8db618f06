"""Options of Kafka's source, with Spark's validation."""

import importlib.util
from collections.abc import Mapping

from .errors import KafkaRefused
from .offsets import EARLIEST, LATEST, Offsets, parse_offsets, parse_partitions

# Internal option that marks the source of a stream, which must not be read as a batch.
STREAMED = "laptop.streamed"
# Options that select topics, with Spark's error if they are empty.
_EMPTY = {
    "subscribe": ("No topics to subscribe to", "subscribe"),
    "subscribepattern": ("Pattern to subscribe is empty", "subscribePattern"),
    "assign": ("No topicpartitions to assign", "assign"),
}
# Options that Spark sets and users must not.
_OWN = {
    "auto.offset.reset": "Kafka option 'auto.offset.reset' is not supported. Instead set the "
    "source option 'startingoffsets' to 'earliest' or 'latest' to specify where to start.",
    "key.deserializer": "Kafka option 'key.deserializer' is not supported as keys are deserialized "
    "as byte arrays with ByteArrayDeserializer. Use DataFrame operations to explicitly "
    "deserialize the keys.",
    "value.deserializer": "Kafka option 'value.deserializer' is not supported as values are "
    "deserialized as byte arrays with ByteArrayDeserializer. Use DataFrame operations to "
    "explicitly deserialize the values.",
    "enable.auto.commit": "Kafka option 'enable.auto.commit' is not supported",
    "interceptor.classes": "Kafka option 'interceptor.classes' is not supported",
    "key.serializer": "Kafka option 'key.serializer' is not supported as keys are serialized with "
    "ByteArraySerializer.",
    "value.serializer": "Kafka option 'value.serializer' is not supported as value are serialized "
    "with ByteArraySerializer.",
}
_NOT_BUILT = (
    "startingtimestamp",
    "endingtimestamp",
    "startingoffsetsbytimestamp",
    "endingoffsetsbytimestamp",
    "minoffsetspertrigger",
    "maxtriggerdelay",
)


def require_client() -> None:
    """Check that the Kafka client is installed.

    Raises:
        KafkaRefused: It is not installed.
    """
    if importlib.util.find_spec("confluent_kafka") is None:
        raise KafkaRefused(
            "Kafka needs confluent-kafka, which is not installed. Install the extra: "
            "pip install 'laptop[kafka]'."
        )


def client_options(options: Mapping[str, str], side: str) -> dict[str, str]:
    """Return the properties of the Kafka client: the options `kafka.*`, without that prefix.

    Args:
        options: Options of the source or sink.
        side: `consumer` or `producer`.

    Raises:
        KafkaRefused: A property is reserved by Spark or for authentication, or no address is set.
    """
    require_client()
    found = {key[6:]: value for key, value in options.items() if key.lower().startswith("kafka.")}
    for key, value in found.items():
        if key in _OWN:
            raise KafkaRefused(_OWN[key])
        if key.startswith(("sasl.", "ssl.")) or (
            key == "security.protocol" and value.upper() != "PLAINTEXT"
        ):
            raise _not_authenticated(f"kafka.{key}")
    for key in options:
        if key.lower().startswith("databricks."):
            raise _not_authenticated(key)
    if "bootstrap.servers" not in found:
        raise KafkaRefused(
            "Option 'kafka.bootstrap.servers' must be specified for configuring Kafka " + side
        )
    return found


def _not_authenticated(option: str) -> KafkaRefused:
    return KafkaRefused(
        f"Option '{option}' is not supported on the laptop, whose brokers are reached without "
        "authentication or encryption. Set it for targets on Databricks alone."
    )


class SourceOptions:
    """Parsed options of the source.

    Args:
        options: Options of the source.
        streaming: Whether the source is a stream.

    Attributes:
        client: Properties of the Kafka client.
        strategy: `subscribe`, `subscribepattern` or `assign`.
        topics: Value of that option.
        starting: Offsets, LATEST or EARLIEST by partition; or LATEST or EARLIEST for all.
        ending: End offsets of a batch, in the same form.
        most: Approximate maximum of messages per micro-batch; None for no limit.
        fails_on_loss: Whether lost messages are an error.
        poll_seconds: Timeout for messages in the range.

    Raises:
        KafkaRefused: Options are invalid in Spark, or not supported.
    """

    def __init__(self, options: Mapping[str, str], *, streaming: bool) -> None:
        given = {key.lower(): value for key, value in options.items()}
        if streaming and "endingoffsets" in given:
            raise KafkaRefused("ending offset not valid in streaming queries")
        for key in _NOT_BUILT:
            if key in given:
                raise KafkaRefused(
                    f"Option '{key}' is not supported on the laptop: use startingOffsets, "
                    "endingOffsets and maxOffsetsPerTrigger."
                )
        if given.get("includeheaders", "false").lower() == "true":
            raise KafkaRefused(
                "Option 'includeHeaders' is not supported on the laptop: leave it out."
            )
        self.strategy, self.topics = _strategy(given)
        self.client = client_options(options, "consumer")
        self.starting = _bound(given.get("startingoffsets"), LATEST if streaming else EARLIEST)
        self.ending = _bound(given.get("endingoffsets"), LATEST)
        if not streaming:
            _check_batch(self.starting, self.ending)
        self.most = _number(given, "maxoffsetspertrigger")
        self.fails_on_loss = given.get("failondataloss", "true").lower() == "true"
        self.poll_seconds = (_number(given, "kafkaconsumer.polltimeoutms") or 120_000) / 1000


def _strategy(given: Mapping[str, str]) -> tuple[str, str]:
    found = [key for key in _EMPTY if key in given]
    if len(found) != 1:
        asked = "One" if not found else "Only one"
        verb = "must" if not found else "can"
        raise KafkaRefused(
            f"{asked} of the following options {verb} be specified for Kafka source: "
            f"{', '.join(_EMPTY)}. See the docs for more details."
        )
    (strategy,) = found
    value = given[strategy].strip()
    if not (value.startswith("{") if strategy == "assign" else value.strip(" ,")):
        what, option = _EMPTY[strategy]
        raise KafkaRefused(f"{what} as specified value for option '{option}' is '{value}'")
    if strategy == "assign":
        parse_partitions(value)
    return strategy, value


def _number(given: Mapping[str, str], option: str) -> int | None:
    text = given.get(option)
    if text is not None and (not text.strip().isdecimal() or int(text) == 0):
        raise KafkaRefused(f"Option '{option}' takes a number above 0; got '{text}'.")
    return None if text is None else int(text)


def _bound(text: str | None, default: int) -> Offsets | int:
    named = {"latest": LATEST, "earliest": EARLIEST}
    if text is None:
        return default
    word = text.strip().lower()
    return named[word] if word in named else parse_offsets(text)


def _check_batch(starting: Offsets | int, ending: Offsets | int) -> None:
    if starting == LATEST:
        raise KafkaRefused("starting offset can't be latest for batch queries on Kafka")
    if ending == EARLIEST:
        raise KafkaRefused("ending offset can't be earliest for batch queries on Kafka")
    for bound, never, name in ((starting, LATEST, "latest"), (ending, EARLIEST, "earliest")):
        for (topic, at), offset in bound.items() if isinstance(bound, dict) else ():
            if offset == never:
                which = "startingOffsets" if bound is starting else "ending offset"
                raise KafkaRefused(
                    f"{which} for {topic}-{at} can't be {name} for batch queries on Kafka"
                )
