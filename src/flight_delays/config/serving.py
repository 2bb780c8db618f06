"""conf/serving.yml: whether an endpoint serves the Champion, and its size."""

from typing import Literal

from pydantic import Field

from .loading import Section, load_configuration


class LoadLimits(Section):
    """The load test of the integration tests.

    Attributes:
        clients: Number of concurrent clients, each sending one row at a time.
    """

    clients: int = Field(ge=1, le=256)
    seconds: int = Field(ge=1, le=600)
    p95_limit_ms: int = Field(gt=0)
    errors_limit: float = Field(ge=0, lt=1)


class Serving(Section):
    """conf/serving.yml.

    Attributes:
        workload_size: Its size, which limits concurrent requests.
        scale_to_zero: Whether it stops while there are no requests.
        latency_limit_ms: Maximum latency of a request of one row, in milliseconds, for promotion.
    """

    endpoint: bool
    workload_size: Literal["Small", "Medium", "Large"]
    scale_to_zero: bool
    latency_limit_ms: int = Field(gt=0)
    load_test: LoadLimits | None = None


def load_serving() -> Serving:
    """Return conf/serving.yml."""
    return load_configuration("serving", Serving)
