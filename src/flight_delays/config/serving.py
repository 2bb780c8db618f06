"""Whether an endpoint serves the Champion, and how large it is."""

from typing import Literal

from pydantic import Field

from .loading import Section, load_configuration


class Serving(Section):
    """What was chosen for the endpoint, as reviewed in conf/serving.yml.

    Attributes:
        endpoint: Whether there is one.
        workload_size: How much the endpoint answers at once.
        scale_to_zero: Whether it may stop while no one asks.
        latency_limit_ms: How long a version may take for a request of one row, in milliseconds,
            to be promoted.
    """

    endpoint: bool
    workload_size: Literal["Small", "Medium", "Large"]
    scale_to_zero: bool
    latency_limit_ms: int = Field(gt=0)


def load_serving() -> Serving:
    """Read conf/serving.yml."""
    return load_configuration("serving", Serving)
