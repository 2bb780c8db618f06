"""Locust clients of an endpoint: each sends rows one after the other.

Locust runs in a separate environment without the project. sweep.py passes requests and the path of
the figures by environment variables.
"""

import itertools
import json
import os
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, events, task

BODIES = Path(os.environ["LOADTEST_BODIES"]).read_text(encoding="utf-8").splitlines()
FIGURES = Path(os.environ["LOADTEST_FIGURES"])
HEADERS = json.loads(os.environ["LOADTEST_HEADERS"])
MOST_REQUESTS = int(os.environ["LOADTEST_MOST_REQUESTS"])
PATH = os.environ["LOADTEST_PATH"]
SECONDS = float(os.environ["LOADTEST_SECONDS"])
# Shared by all clients, so that they send different rows.
bodies = itertools.islice(itertools.cycle(BODIES), MOST_REQUESTS)


class Client(FastHttpUser):  # type: ignore[misc]
    """One client, without pauses between requests."""

    # Locust does not verify certificates by default, and would send the token to any host.
    insecure = False
    # Timeout of endpoints.
    network_timeout = 297.0

    @task  # type: ignore[untyped-decorator]
    def ask(self) -> None:
        """Send the next row; stop the test after the last one."""
        body = next(bodies, None)
        if body is None:
            self.environment.runner.quit()
            return
        self.client.post(PATH, data=body.encode(), headers=HEADERS)


@events.init.add_listener  # type: ignore[untyped-decorator]
def start_clock_once_all_ask(environment: Any, **_: Any) -> None:
    """Start to measure when all clients run, which takes seconds on a busy machine."""

    def start(**_: Any) -> None:
        environment.stats.reset_all()
        gevent.spawn_later(SECONDS, environment.runner.quit)

    environment.events.spawning_complete.add_listener(start)


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def write_figures(environment: Any, **_: Any) -> None:
    """Write the figures for sweep.py."""
    total = environment.stats.total
    errors = sorted(environment.stats.errors.values(), key=lambda each: -each.occurrences)
    percentiles = {
        f"p{percent}_ms": total.get_response_time_percentile(percent / 100)
        for percent in (50, 95, 99)
    }
    figures = {
        "requests": total.num_requests,
        "failures": total.num_failures,
        "rps": total.total_rps,
        **percentiles,
        "client_is_busy": environment.runner.cpu_warning_emitted,
        "said": [f"{each.occurrences} times {each.error}"[:300] for each in errors[:3]],
    }
    FIGURES.write_text(json.dumps(figures), encoding="utf-8")
