"""What Kafka's source and sink refuse, and data that is no longer there."""

import logging

from ..errors import LaptopError

_LOST = (
    "Some data may have been lost because they are not available in Kafka any more; either the "
    "data was aged out by Kafka or the topic may have been deleted before all the data in the "
    "topic was processed. "
)
_LOG = logging.getLogger(__name__)


class KafkaRefused(LaptopError):
    """An option, rows or offsets that Kafka's source or sink does not take."""


def report_loss(reason: str, message: str, *, fail: bool) -> None:
    """Raise that messages are missing, or warn of it, as `failOnDataLoss` says.

    Args:
        reason: Spark's name of the error.
        message: What is missing.
        fail: Whether to raise.

    Raises:
        KafkaRefused: `fail` is set.
    """
    if fail:
        raise KafkaRefused(
            f"[KAFKA_DATA_LOSS.{reason}] {_LOST}If you don't want your streaming query to fail on "
            f"such cases, set the source option failOnDataLoss to false. Reason: {message}"
        )
    _LOG.warning("%s %s", _LOST.strip(), message)
