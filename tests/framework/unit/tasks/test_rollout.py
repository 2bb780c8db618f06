"""What time it is in a roll-out that is tried again, or whose clock was set."""

from datetime import UTC, datetime, timedelta

import pytest

from flight_delays.tasks.rollout import start_clock


@pytest.mark.parametrize("hours", [0, 5, 30])
def test_a_retry_long_after_the_job_began_has_the_time_of_now(hours: int) -> None:
    told = start_clock(datetime.now(UTC) - timedelta(hours=hours))()
    assert abs(told - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_clock_that_was_set_goes_on_from_there() -> None:
    began = datetime(2013, 11, 1, 6, tzinfo=UTC)
    assert timedelta() <= start_clock(began)() - began < timedelta(minutes=1)
