"""Endpoints in memory: loaded models, traffic split and logs."""

import random
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .endpoint_traffic import Traffic
from .errors import missing

if TYPE_CHECKING:
    from .scoring import ServedModel

_LONGEST_LOG = 1000


@dataclass(frozen=True)
class Log:
    """Logs of a served entity since the start of the workspace.

    Attributes:
        build: Messages from loading the model.
        service: Errors of requests.
    """

    build: deque[str] = field(default_factory=lambda: deque(maxlen=_LONGEST_LOG))
    service: deque[str] = field(default_factory=lambda: deque(maxlen=_LONGEST_LOG))


@dataclass(frozen=True)
class Served:
    """A loaded served entity.

    Attributes:
        name: Its name.
        model: The model version.
        version: Its number.
        traffic: Its requests of the last minute.
        log: Its logs.
        concurrency: Minimum provisioned concurrency.
        endpoint_id: The endpoint's identifier.
        entity_id: The identifier of this version of the served entity.
        is_traced: Whether its feature look-ups are traced.
    """

    name: str
    model: "ServedModel"
    version: str
    traffic: Traffic
    log: Log
    concurrency: int
    endpoint_id: str
    entity_id: str
    is_traced: bool


@dataclass(frozen=True)
class Live:
    """The loaded models of an endpoint, and their traffic split in percent."""

    served: dict[str, Served]
    shares: dict[str, int]

    def choose(self) -> Served:
        """Return a served entity for the next request, drawn by the traffic split."""
        (name,) = random.choices(list(self.shares), weights=list(self.shares.values()))
        return self.served[name]

    def named(self, name: str) -> Served:
        """Return a served entity by its name."""
        if name not in self.served:
            raise missing("RESOURCE_DOES_NOT_EXIST", "Served entity", name, list(self.served))
        return self.served[name]


def stamped(text: str) -> str:
    """Return a log line with a timestamp."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}"
