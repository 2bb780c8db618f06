"""A local Kafka broker: librdkafka's mock cluster, which accepts other processes."""

from typing import Any

from .options import require_client

LIMITS = (
    "Messages are kept in memory only, about 5 MiB of each partition, and are lost when this "
    "command ends. A topic's first message makes it, with 4 partitions."
)


def start_broker() -> tuple[Any, str]:
    """Start a broker on a free port.

    Returns:
        Owner of the broker, which must stay referenced, and the `bootstrap.servers` address.

    Raises:
        KafkaRefused: confluent-kafka is not installed.
    """
    require_client()
    from confluent_kafka import Producer

    owner = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": "1", "log_level": "0"})
    (broker,) = owner.list_topics(timeout=10).brokers.values()
    return owner, f"{broker.host}:{broker.port}"
