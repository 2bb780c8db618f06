"""Candidates are validated only on rows later than their training rows."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from flight_delays.errors import UnusableInputError
from flight_delays.evaluation.backtest import SplitPositions, sample_rows, split_by_time

FIRST = pd.Timestamp("2026-01-01")


def divide(decided: Any, max_rows: int = 1000) -> SplitPositions:
    """Hold out the latest quarter."""
    return split_by_time(decided, share=0.25, max_rows=max_rows, seed=7)


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_the_latest_share_of_the_rows_is_tested_on_whatever_their_order(zone: str | None) -> None:
    days = np.random.default_rng(1).permutation(8)
    decided = pd.Series(FIRST + pd.to_timedelta(days, unit="D")).dt.tz_localize(zone)
    parts = divide(decided)
    assert sorted(days[parts.train]) == [0, 1, 2, 3, 4, 5]
    assert sorted(days[parts.validation]) == [6, 7]


def test_rows_of_one_instant_are_never_divided() -> None:
    days = np.array([0, 0, 1, 1, 1, 1, 1, 2])
    parts = divide(FIRST + pd.to_timedelta(days, unit="D"))
    assert days[parts.train].tolist() == [0, 0]
    assert days[parts.validation].tolist() == [1, 1, 1, 1, 1, 2]


def test_of_many_rows_some_are_drawn_from_all_of_the_window_the_same_each_time() -> None:
    decided = FIRST + pd.to_timedelta(np.arange(1000), unit="h")
    first, again = (divide(decided, max_rows=100) for _ in range(2))
    assert first.train.size + first.validation.size == 100
    assert (first.train.min() < 50, first.validation.max() >= 950) == (True, True)
    assert first.train.max() < first.validation.min()
    np.testing.assert_array_equal(first.validation, again.validation)


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_rows_that_were_all_decided_at_once_are_refused(rows: int) -> None:
    with pytest.raises(UnusableInputError, match=r"conf/training\.yml"):
        divide(pd.Series([FIRST] * rows, dtype="datetime64[ns]"))


def test_no_more_rows_are_drawn_than_there_are() -> None:
    assert sample_rows(3, 3, seed=1).tolist() == [0, 1, 2]
    assert len(set(sample_rows(50, 20, seed=1).tolist())) == 20
