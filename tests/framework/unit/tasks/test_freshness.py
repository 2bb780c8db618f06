"""Feature tables older than allowed, and requests whose features differ."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from flight_delays.monitoring.signals import Window
from flight_delays.problem import PROBLEM
from flight_delays.tasks.freshness import (
    compare,
    describe_difference,
    list_compared,
    measure_age,
)

NOW = datetime(2026, 3, 10, 10, tzinfo=UTC)
TABLE = next(table for table in PROBLEM.feature_tables if table.timeseries_column)
LIMIT = TABLE.fresh_within
SECOND = timedelta(seconds=1)
NUMBER, TEXT = TABLE.numerical[0], PROBLEM.categorical_columns[0]


def measure(age: timedelta | None, outage: str = "") -> Window:
    known = None if age is None else NOW - age
    return measure_age(TABLE, "published", known, NOW, NOW + timedelta(days=400), outage)


@pytest.mark.parametrize(
    ("age", "is_over"),
    [(-SECOND, False), (0 * SECOND, False), (LIMIT, False), (LIMIT + SECOND, True)],
)
def test_exactly_the_allowed_age_is_fresh_and_a_second_more_is_not(
    age: timedelta, is_over: bool
) -> None:
    window = measure(age)
    assert window.value is not None
    assert (window.value > 1) == is_over
    assert f"{max(age, 0 * SECOND)} old, {LIMIT} allowed, published as of" in window.note


@pytest.mark.parametrize(
    ("age", "outage", "note"),
    [
        (None, "", "nothing says as of when it was published"),
        (0 * SECOND, "it does not exist", "not online, it does not exist"),
    ],
)
def test_a_table_of_unknown_age_or_out_of_reach_has_no_value(
    age: timedelta | None, outage: str, note: str
) -> None:
    window = measure(age, outage)
    assert (window.value, window.note) == (None, note)


def test_a_row_differs_where_no_look_up_gives_its_value() -> None:
    asked = pd.DataFrame(
        {
            "row_id": ["a", "b", "c", "d", "e"],
            NUMBER: [1.0, np.nan, 3.0, 4.0, np.nan],
            TEXT: ["x", None, "z", "", "x"],
        }
    )
    known = pd.DataFrame(
        {
            "row_id": ["a", "a", "b", "b", "c", "e"],
            NUMBER: [0.0, 1.0, 2.0, 3.0, np.nan, np.nan],
            TEXT: ["x", "y", None, "z", "y", "x"],
        }
    )
    differ = compare(asked, known, [NUMBER, TEXT])
    # One row has no known features and is not compared.
    assert differ.to_dict("index") == {
        "a": {NUMBER: False, TEXT: False},
        "b": {NUMBER: True, TEXT: False},
        "c": {NUMBER: True, TEXT: True},
        "e": {NUMBER: False, TEXT: False},
    }
    assert describe_difference(differ) == f"{NUMBER} in 50%, {TEXT} in 25%"
    assert describe_difference(differ[differ[NUMBER] & False]) == ""


def test_numbers_are_compared_to_the_twelfth_digit() -> None:
    for factor, is_other in ((1 + 1e-13, False), (1 + 1e-11, True)):
        asked = pd.DataFrame({"row_id": ["c"], NUMBER: [7.0 * factor]})
        known = pd.DataFrame({"row_id": ["c"], NUMBER: [7.0]})
        assert compare(asked, known, [NUMBER]).loc["c", NUMBER] == is_other


def test_features_of_tables_without_time_key_are_not_compared() -> None:
    compared = set(list_compared())
    for table in PROBLEM.feature_tables:
        assert (set(table.features) <= compared) == bool(table.timeseries_column)
        assert table.timeseries_column or not compared & set(table.features)
    assert PROBLEM.spine.decision_at in compared
    assert not compared & set(PROBLEM.keys)
