"""Time intervals computed from a timestamp and the policy's windows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest

from flight_delays.config.policy import Windows
from flight_delays.errors import InstantWithoutZoneError, WindowError
from flight_delays.spec.windows import Interval, reach_batch, split_windows


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def windows(**changes: object) -> Windows:
    whole = {"holdout": {"months": 1}, "training": None, "batch": {"months": 1}, "ahead_hours": 0}
    return Windows.model_validate(whole | changes)


NONE = timedelta()


@pytest.mark.parametrize(
    ("as_of", "changes", "training", "holdout"),
    [
        ("2013-11-01", {}, "1970-01-01", "2013-10-01"),
        ("2013-03-31", {}, "1970-01-01", "2013-02-28"),
        ("2013-02-01", {"holdout": {"days": 7}}, "1970-01-01", "2013-01-25"),
        ("2013-11-01", {"training": {"months": 6}}, "2013-04-01", "2013-10-01"),
        ("2013-11-01T09:30", {"training": {"days": 1}}, "2013-09-30T09:30", "2013-10-01T09:30"),
    ],
)
def test_the_latest_rows_are_held_out_and_those_before_them_are_learned_from(
    as_of: str, changes: dict[str, object], training: str, holdout: str
) -> None:
    parts = split_windows(instant(as_of), windows(**changes), NONE)
    assert parts.training == Interval(instant(training), instant(holdout))
    assert parts.holdout == Interval(instant(holdout), instant(as_of))


@pytest.mark.parametrize(("hours", "end"), [(0, "2013-11-01"), (3, "2013-11-01T03:00")])
def test_batch_is_latest_rows_and_those_of_the_hours_ahead(hours: int, end: str) -> None:
    expected = Interval(instant("2013-10-01"), instant(end))
    assert reach_batch(instant("2013-11-01"), windows(ahead_hours=hours)) == expected


def test_intervals_are_in_utc_whatever_zone_as_of_came_in() -> None:
    berlin = datetime(2013, 3, 31, 1, tzinfo=timezone(timedelta(hours=2)))
    parts = split_windows(berlin, windows(), NONE)
    assert parts == split_windows(instant("2013-03-30T23:00"), windows(), NONE)
    assert parts.holdout.start == instant("2013-02-28T23:00")


def test_rows_without_a_mature_label_are_neither_learned_from_nor_judged_by() -> None:
    parts = split_windows(
        instant("2014-11-01"), windows(training={"days": 90}), timedelta(days=365)
    )
    assert parts.holdout == Interval(instant("2013-10-01"), instant("2013-11-01"))
    assert parts.training == Interval(instant("2012-07-03"), instant("2012-10-01"))
    assert parts.learned_until == parts.holdout.start


def test_an_as_of_that_leaves_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(WindowError, match=r"training interval must start before.*later as_of"):
        split_windows(instant("1970-01-31"), windows(), NONE)


@pytest.mark.parametrize("cut", [partial(split_windows, label_maturity=NONE), reach_batch])
def test_an_as_of_without_a_zone_is_refused(cut: Callable[[datetime, Windows], object]) -> None:
    with pytest.raises(InstantWithoutZoneError, match="as_of"):
        cut(datetime(2013, 11, 1), windows())
