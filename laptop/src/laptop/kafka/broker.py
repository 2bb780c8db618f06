"""A broker of Kafka for one machine: librdkafka's mock cluster, which other processes can reach."""

from typing import Any

from .options import require_client

LIMITS = (
    "Messages are kept in memory alone, about 5 MiB of each partition, and are gone when this "
    "command ends. A topic's first message makes it, with 4 partitions."
)


def start_broker() -> tuple[Any, str]:
    """Start a broker on a free port.

    Returns:
        What it lives as long as, and its address for `bootstrap.servers`.

    Raises:
        KafkaRefused: The client that brings it is not installed.
    """
    require_client()
    from confluent_kafka import Producer

    owner = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": "1", "log_level": "0"})
    (broker,) = owner.list_topics(timeout=10).brokers.values()
    return owner, f"{broker.host}:{broker.port}"
