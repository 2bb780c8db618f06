"""Windows over the rows of the log and over requests."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from flight_delays.config.monitoring import Granularity
from flight_delays.evaluation.model_types import BINARY_CLASSIFICATION
from flight_delays.lakehouse.measurements import (
    cut,
    measure_quality,
    measure_requests,
    measure_volume,
)

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def log(*rows: tuple[datetime, float, float | None], ago: timedelta = timedelta()) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["scored_at", "score", "label"])
    return frame.assign(decision_at=frame["scored_at"] - ago)


@pytest.mark.parametrize(
    ("granularity", "start", "end"),
    [
        ("day", datetime(2026, 3, 4, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)),
        ("week", MONDAY, datetime(2026, 3, 9, tzinfo=UTC)),
        ("month", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)),
    ],
)
def test_windows_begin_and_end_with_the_calendar(
    granularity: Granularity, start: datetime, end: datetime
) -> None:
    at = datetime(2026, 3, 4, 23, 59, 59, tzinfo=UTC)
    ((first, last, rows),) = cut(log((at, 0.5, None)), granularity)
    assert (first, last, len(rows)) == (start, end, 1)


def test_windows_come_in_order_and_gaps_are_gaps() -> None:
    rows = log(*((MONDAY + timedelta(days=day), 0.5, None) for day in (9, 0, 1, 9)))
    sizes = [(start, len(part)) for start, _, part in cut(rows, "day")]
    assert sizes == [(MONDAY + timedelta(days=day), n) for day, n in ((0, 1), (1, 1), (9, 2))]


def quality(rows: pd.DataFrame, known_until: datetime) -> Any:
    (windows,) = measure_quality(
        rows, BINARY_CLASSIFICATION, ["brier"], granularity="week", known_until=known_until
    ).values()
    return windows


def test_quality_is_measured_of_rows_that_are_old_enough_to_have_their_label() -> None:
    young = MONDAY + timedelta(days=3)
    rows = log((MONDAY, 0.8, 1.0), (MONDAY, 0.5, None), (young, 0.0, 1.0))
    (window,) = quality(rows, known_until=young)
    assert window.value == pytest.approx(0.04)
    assert (window.rows, window.mature) == (1, pytest.approx(2 / 3))


def test_quality_without_a_label_or_of_an_impossible_score_has_no_value() -> None:
    (nothing,) = quality(log((MONDAY, 0.8, None)), known_until=MONDAY + timedelta(days=1))
    assert (nothing.value, nothing.rows) == (None, 0)
    (wrong,) = quality(log((MONDAY, 1.8, 1.0)), known_until=MONDAY + timedelta(days=1))
    assert wrong.value is None


def test_rows_of_requests_without_a_decision_count_from_when_they_came() -> None:
    rows = log((MONDAY, 0.8, 1.0))
    rows["decision_at"] = pd.to_datetime(pd.Series([None]), utc=True)
    (window,) = quality(rows, known_until=MONDAY + timedelta(seconds=1))
    assert (window.rows, window.mature) == (1, 1.0)


def test_volume_is_compared_with_the_median_of_the_windows_before() -> None:
    sizes = (4, 2, 12, 2)
    rows = log(
        *(
            (MONDAY + timedelta(weeks=week), 0.5, None)
            for week, size in enumerate(sizes)
            for _ in range(size)
        )
    )
    assert [window.value for window in measure_volume(rows, "week")] == [1, 0.5, 4, 0.5]


def test_requests_have_a_share_of_errors_and_a_slow_end() -> None:
    rows = pd.DataFrame(
        {
            "scored_at": [MONDAY] * 4,
            "failed": [False, False, True, False],
            "execution_duration_ms": [10, 20, None, 30],
        }
    )
    ((errors,), (latency,)) = measure_requests(rows, "week")
    assert (errors.value, errors.rows) == (0.25, 4)
    assert (latency.value, latency.rows) == (29.0, 3)
    assert measure_requests(rows[:0], "week") == ((), ())
