"""Prometheus metrics of an endpoint's requests of the last minute."""

import os
import resource
import sys
import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

WINDOW_SECONDS = 60.0
_LABELS = ("endpoint_name", "served_entity_name")
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
        """Record a request."""
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
    """Traffic and minimum provisioned concurrency of a served entity."""

    traffic: Traffic
    concurrency: int


@dataclass(frozen=True)
class EndpointMetrics(Collector):
    """The metrics of an endpoint.

    Attributes:
        endpoint: Its name.
        measured: Traffic by name of the served entity.
    """

    endpoint: str
    measured: Mapping[str, Measured]

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with one sample, or one histogram, for each served entity."""
        recent = {name: each.traffic.recent() for name, each in self.measured.items()}
        yield self._gauge(
            "cpu_usage_percentage",
            "Average CPU usage of the workspace's process since it was started.",
            dict.fromkeys(recent, cpu_percentage()),
        )
        yield self._gauge(
            "mem_usage_percentage",
            "Greatest memory usage of the workspace's process since it was started.",
            dict.fromkeys(recent, memory_percentage()),
        )
        yield self._gauge(
            "provisioned_concurrent_requests_total",
            "Concurrency asked for; the laptop provisions nothing.",
            {name: each.concurrency for name, each in self.measured.items()},
        )
        for infix, first, last in (("", 100, 599), ("4xx_", 400, 499), ("5xx_", 500, 599)):
            yield self._gauge(
                f"request_{infix}count_total",
                f"Requests of the last minute answered {first} to {last}.",
                {
                    name: sum(first <= answered.status <= last for answered in answers)
                    for name, answers in recent.items()
                },
            )
        latency = HistogramMetricFamily(
            "request_latency_ms",
            "Milliseconds that requests of the last minute took.",
            labels=_LABELS,
        )
        for name, answers in recent.items():
            times = sorted(answered.milliseconds for answered in answers)
            buckets = [(str(bound), float(bisect_right(times, bound))) for bound in _BOUNDS_MS]
            buckets.append(("+Inf", float(len(times))))
            latency.add_metric([self.endpoint, name], buckets, sum(times), time.time())
        yield latency

    def _gauge(self, name: str, about: str, values: Mapping[str, float]) -> Metric:
        gauge = GaugeMetricFamily(name, about, labels=_LABELS)
        for entity, value in values.items():
            gauge.add_metric([self.endpoint, entity], value, time.time())
        return gauge


_STARTED = time.monotonic()


def cpu_percentage() -> float:
    """Return this process's CPU usage since its start, in percent of all cores."""
    cores = os.cpu_count() or 1
    return 100 * time.process_time() / (max(time.monotonic() - _STARTED, 1e-3) * cores)


def memory_percentage() -> float:
    """Return this process's peak memory, in percent of the machine's memory."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    held = peak if sys.platform == "darwin" else peak * 1024
    return 100 * held / (os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
