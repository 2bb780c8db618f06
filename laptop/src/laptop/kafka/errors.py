"""Errors of Kafka's source and sink."""

import logging

from ..errors import LaptopError

_LOST = (
    "Some data may have been lost because they are not available in Kafka any more; either the "
    "data was aged out by Kafka or the topic may have been deleted before all the data in the "
    "topic was processed. "
)
_LOG = logging.getLogger(__name__)


class KafkaRefused(LaptopError):
    """An invalid option, row or offset for Kafka's source or sink."""


def report_loss(reason: str, message: str, *, fail: bool) -> None:
    """Raise an error or warn about lost messages, according to `failOnDataLoss`.

    Args:
        reason: Spark's error class.
        message: Description of the lost messages.
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
