"""What an endpoint's requests of the last minute were like, as Prometheus reads it."""

import os
import resource
import sys
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

WINDOW_SECONDS = 60.0
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS_MS = (
    *(5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000),
    *(30_000, 60_000, 120_000, 300_000, 600_000),
)


@dataclass(frozen=True)
class Answered:
    """One request.

    Attributes:
        at: When it was answered, in seconds of a monotonic clock.
        status: HTTP status.
        milliseconds: How long it took.
    """

    at: float
    status: int
    milliseconds: float


class Traffic:
    """Requests that one served entity has answered during the last minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answered: deque[Answered] = deque()

    def record(self, status: int, milliseconds: float) -> None:
        """Note an answer."""
        at = time.monotonic()
        with self._lock:
            self._answered.append(Answered(at, status, milliseconds))
            self._forget(at)

    def recent(self) -> list[Answered]:
        """Return the answers of the last minute."""
        with self._lock:
            self._forget(time.monotonic())
            return list(self._answered)

    def _forget(self, now: float) -> None:
        while self._answered and self._answered[0].at < now - WINDOW_SECONDS:
            self._answered.popleft()


@dataclass(frozen=True)
class Measured:
    """One served entity's traffic, and the concurrency its configuration asks for."""

    traffic: Traffic
    concurrency: int


def exposition(endpoint: str, measured: Mapping[str, Measured]) -> str:
    """Return the metrics of an endpoint in Prometheus' text format.

    Args:
        endpoint: Its name.
        measured: By name of the served entity.
    """
    labels = {name: f'endpoint_name="{endpoint}",served_entity_name="{name}"' for name in measured}
    recent = {name: each.traffic.recent() for name, each in measured.items()}
    ending = f" {int(time.time() * 1000)}"
    lines: list[str] = []

    def gauge(name: str, about: str, values: Mapping[str, float]) -> None:
        lines.extend((f"# HELP {name} {about}", f"# TYPE {name} gauge"))
        lines.extend(f"{name}{{{labels[each]}}} {value}{ending}" for each, value in values.items())

    gauge(
        "cpu_usage_percentage",
        "Average CPU usage of the workspace's process since it was started.",
        dict.fromkeys(measured, cpu_percentage()),
    )
    gauge(
        "mem_usage_percentage",
        "Greatest memory usage of the workspace's process since it was started.",
        dict.fromkeys(measured, memory_percentage()),
    )
    gauge(
        "provisioned_concurrent_requests_total",
        "Concurrency asked for; the laptop provisions nothing.",
        {name: each.concurrency for name, each in measured.items()},
    )
    for name, first, last in (("", 100, 599), ("4xx_", 400, 499), ("5xx_", 500, 599)):
        gauge(
            f"request_{name}count_total",
            f"Requests of the last minute answered {first} to {last}.",
            {
                each: sum(first <= answered.status <= last for answered in answers)
                for each, answers in recent.items()
            },
        )
    name = "request_latency_ms"
    lines.append(f"# HELP {name} Milliseconds that requests of the last minute took.")
    lines.append(f"# TYPE {name} histogram")
    for each, answers in recent.items():
        times = [answered.milliseconds for answered in answers]
        for bound, count in cumulated(times):
            lines.append(f'{name}_bucket{{{labels[each]},le="{bound}"}} {count}{ending}')
        lines.append(f"{name}_sum{{{labels[each]}}} {sum(times)}{ending}")
        lines.append(f"{name}_count{{{labels[each]}}} {len(times)}{ending}")
    return "\n".join(lines) + "\n"


def cumulated(times: list[float]) -> Iterator[tuple[str, int]]:
    """Yield each bucket's upper bound with how many times lie at it or below."""
    counts = [0] * (len(_BOUNDS_MS) + 1)
    for each in times:
        counts[bisect_left(_BOUNDS_MS, each)] += 1
    total = 0
    for bound, count in zip((*map(str, _BOUNDS_MS), "+Inf"), counts, strict=True):
        total += count
        yield bound, total


_STARTED = time.monotonic()


def cpu_percentage() -> float:
    """Return this process's share of all cores since it was started."""
    cores = os.cpu_count() or 1
    return 100 * time.process_time() / (max(time.monotonic() - _STARTED, 1e-3) * cores)


def memory_percentage() -> float:
    """Return the greatest share of the machine's memory that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    held = peak if sys.platform == "darwin" else peak * 1024
    return 100 * held / (os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
