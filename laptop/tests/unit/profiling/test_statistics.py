import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laptop.profiling.groups import Coded, Partition, summarize_categories, summarize_numbers
from laptop.profiling.statistics import Numbers, pick_quantiles

from . import by_definition

VALUES = st.lists(
    st.one_of(
        st.none(),
        st.floats(-1e6, 1e6),
        st.sampled_from([0.0, 1.0, math.nan, math.inf, -math.inf]),
    ),
    min_size=1,
    max_size=40,
)


def close(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-9, abs=1e-9)


def summarize(values: list[float | None]) -> Numbers:
    """Return the summary of values that are one group."""
    valid = np.array([value is not None for value in values], bool)
    plain = np.array([0.0 if value is None else value for value in values], float)
    whole = Partition(np.zeros(len(values), np.int64), [[]])
    ((summary,),) = summarize_numbers(plain, valid, [whole])
    assert isinstance(summary, Numbers)
    return summary


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_a_numeric_profile_agrees_with_the_definitions(values: list[float | None]) -> None:
    found = summarize(values).profile()

    for name, expected in by_definition.profile(values).items():
        assert found[name] == (expected if expected is None else close(expected)), name


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=60), st.integers(1, 120))
def test_quantiles_are_values_of_the_column(values: list[float], parts: int) -> None:
    found = pick_quantiles(np.sort(np.array(values)), parts)

    assert found[0] == min(values)
    assert found.tolist() == [by_definition.quantile(values, part, parts) for part in range(parts)]


@pytest.mark.parametrize("values", [[], [None], [math.nan]])
def test_a_column_without_numbers_has_counts_alone(values: list[float | None]) -> None:
    found = summarize(values).profile()

    assert found["count"] == len(values)
    assert "avg" not in found
    assert "quantiles" not in found


def test_a_categorical_profile_counts_values_and_lengths() -> None:
    names = ["AA", "é", ""]
    column = Coded(np.array([0, 0, 1, -1, 2, 1, 0]), names)
    whole = Partition(np.zeros(7, np.int64), [[]])

    ((found,),) = summarize_categories(column, [whole], names, texts=True)

    assert found.profile() == {
        "count": 7,
        "num_nulls": 1,
        "percent_null": close(100 / 7),
        "distinct_count": 3,
        "percent_distinct": close(300 / 7),
        "frequent_items": [
            {"item": "AA", "count": 3},
            {"item": "é", "count": 2},
            {"item": "", "count": 1},
        ],
        "min_length": 0.0,
        "max_length": 2.0,
        "avg_length": close(8 / 6),
    }


def test_frequent_items_are_a_hundred() -> None:
    names = [f"{number:03}" for number in range(150)]
    column = Coded(np.repeat(np.arange(150), np.arange(150) // 10 + 1), names)
    whole = Partition(np.zeros(column.codes.size, np.int64), [[]])

    ((found,),) = summarize_categories(column, [whole], names, texts=True)

    items = found.profile()["frequent_items"]
    assert [item["item"] for item in items[:2]] == ["140", "141"]
    assert len(items) == 100
    assert items[-1] == {"item": "059", "count": 6}
