"""The workspace's clock, which can be set, so that a year can be replayed in an hour.

`LAPTOP_NOW`, an ISO timestamp in UTC, is the clock's time when the workspace starts. Jobs, requests
and refreshes use this clock; waits and timeouts use real time.
"""

import os
import time
from datetime import UTC, datetime, timedelta

from .errors import LaptopError

VARIABLE = "LAPTOP_NOW"
_STARTED = time.monotonic()


def read_setting() -> str:
    """Return the clock's start time from the environment; empty for real time.

    Raises:
        LaptopError: It is not a timestamp.
    """
    given = os.environ.get(VARIABLE, "")
    return _parse(given).isoformat() if given else ""


def now() -> datetime:
    """Return the workspace's time, in UTC."""
    given = os.environ.get(VARIABLE, "")
    if not given:
        return datetime.now(UTC)
    return _parse(given) + timedelta(seconds=time.monotonic() - _STARTED)


def now_ms() -> int:
    """Return the workspace's time in epoch milliseconds."""
    return int(now().timestamp() * 1000)


def now_text() -> str:
    """Return the workspace's time in UTC, in the format of the API."""
    return now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _parse(given: str) -> datetime:
    try:
        instant = datetime.fromisoformat(given)
    except ValueError:
        raise LaptopError(
            f"{VARIABLE} is {given!r}; it must be an ISO date or timestamp in UTC, as 2026-03-01 "
            "or 2026-03-01T06:00:00Z. Unset it for the real time."
        ) from None
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
