"""What an endpoint has in memory: models, their shares of the traffic, and their logs."""

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
    """What one served entity has said since the workspace was started.

    Attributes:
        build: About its way into memory.
        service: About requests it could not answer.
    """

    build: deque[str] = field(default_factory=lambda: deque(maxlen=_LONGEST_LOG))
    service: deque[str] = field(default_factory=lambda: deque(maxlen=_LONGEST_LOG))


@dataclass(frozen=True)
class Served:
    """A served entity in memory.

    Attributes:
        name: Its name.
        model: The model version.
        version: Its number.
        traffic: Its requests of the last minute.
        log: What it has said.
        concurrency: The least that its configuration asks for.
        endpoint_id: The endpoint's identifier.
        entity_id: The identifier of this version of the served entity.
        is_traced: Whether its look-ups of features are traced.
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
    """What an endpoint answers with: its models in memory and their shares of the traffic."""

    served: dict[str, Served]
    shares: dict[str, int]

    def choose(self) -> Served:
        """Return the served entity that answers the next request."""
        (name,) = random.choices(list(self.shares), weights=list(self.shares.values()))
        return self.served[name]

    def named(self, name: str) -> Served:
        """Return the served entity of a name."""
        if name not in self.served:
            raise missing("RESOURCE_DOES_NOT_EXIST", "Served entity", name, list(self.served))
        return self.served[name]


def stamped(text: str) -> str:
    """Return a line of a log."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}"
