"""Whether an endpoint serves the Champion, and how large it is."""

from typing import Literal

from ..lifecycle import Section
from .configuration import load_configuration


class Serving(Section):
    """What was chosen for the endpoint, as reviewed in conf/serving.yml.

    Attributes:
        endpoint: Whether there is one.
        workload_size: How much the endpoint answers at once.
        scale_to_zero: Whether it may stop while no one asks.
    """

    endpoint: bool
    workload_size: Literal["Small", "Medium", "Large"]
    scale_to_zero: bool


def load_serving() -> Serving:
    """Reads conf/serving.yml."""
    return load_configuration("serving", Serving)
