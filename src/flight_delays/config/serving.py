"""Whether an endpoint serves the Champion, and how large it is."""

from typing import Literal

from pydantic import Field

from .loading import Section, load_configuration


class LoadLimits(Section):
    """A load that the integration tests put on the endpoint, and how it must be answered.

    Attributes:
        clients: How many ask at once, each a row at a time.
        seconds: For how long.
        p95_limit_ms: How long 95 % of the requests may take at most, in milliseconds.
        errors_limit: Share of requests that may fail.
    """

    clients: int = Field(ge=1, le=256)
    seconds: int = Field(ge=1, le=600)
    p95_limit_ms: int = Field(gt=0)
    errors_limit: float = Field(ge=0, lt=1)


class Serving(Section):
    """What was chosen for the endpoint, as reviewed in conf/serving.yml.

    Attributes:
        endpoint: Whether there is one.
        workload_size: How much the endpoint answers at once.
        scale_to_zero: Whether it may stop while no one asks.
        latency_limit_ms: How long a version may take for a request of one row, in milliseconds,
            to be promoted.
        load_test: What the integration tests ask of the endpoint; None leaves it out.
    """

    endpoint: bool
    workload_size: Literal["Small", "Medium", "Large"]
    scale_to_zero: bool
    latency_limit_ms: int = Field(gt=0)
    load_test: LoadLimits | None = None


def load_serving() -> Serving:
    """Read conf/serving.yml."""
    return load_configuration("serving", Serving)
