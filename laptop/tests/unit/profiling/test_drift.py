import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laptop.profiling import drift
from laptop.profiling.drift import compare, compare_categories, compare_numbers
from laptop.profiling.statistics import Categories, Numbers
from scipy import stats

from . import by_definition

# Few different values make ties, constants and gaps.
NUMBERS = st.one_of(
    st.lists(st.sampled_from([-2.0, -1.0, 0.0, 0.5, 3.0]), min_size=1, max_size=40),
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40),
    st.lists(st.sampled_from([-math.inf, 0.0, 1.0, math.inf]), min_size=1, max_size=20),
)
WORDS = st.lists(st.sampled_from(["AA", "UA", "DL", "", "é"]), min_size=1, max_size=60)


def close(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-9, abs=1e-9)


def ascending(values: list[float]) -> Any:
    return np.sort(np.array(values, float))


def counted(values: list[str], names: list[str]) -> Categories:
    counts = Counter(values)
    ids = [at for at, name in enumerate(names) if counts[name]]
    amounts = [counts[names[at]] for at in ids]
    return Categories(len(values), 0, np.array(ids), np.array(amounts), names)


@settings(max_examples=100, deadline=None)
@given(NUMBERS, NUMBERS)
def test_distances_of_numbers_agree_with_their_definitions(
    current: list[float], other: list[float]
) -> None:
    found = compare_numbers(ascending(current), ascending(other))

    assert found["ks_test"]["statistic"] == close(by_definition.ks(current, other))
    assert found["wasserstein_distance"] == close(by_definition.wasserstein(current, other))
    assert found["population_stability_index"] == close(
        by_definition.stability_index(current, other)
    )


@pytest.mark.parametrize("block", [1, 7, 64])
def test_blocks_change_no_distance(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    current, other = np.sort(random.normal(size=500)), np.sort(random.normal(1, 2, 300))
    rounded = np.round(current, 1), np.round(other, 1)
    whole = [compare_numbers(current, other), compare_numbers(*rounded)]

    monkeypatch.setattr(drift, "_BLOCK", block)

    for one, pair in zip(whole, ((current, other), rounded), strict=True):
        parts = compare_numbers(*pair)
        assert parts["ks_test"] == close(one["ks_test"])
        assert parts["wasserstein_distance"] == close(one["wasserstein_distance"])


def test_large_samples_agree_with_scipy() -> None:
    random = np.random.default_rng(0)
    current, other = np.sort(random.normal(size=200_000)), np.sort(random.normal(0.1, 1, 150_000))

    found = compare_numbers(current, other)

    expected = stats.ks_2samp(current, other, method="asymp")
    assert found["ks_test"]["statistic"] == close(expected.statistic)
    assert found["ks_test"]["pvalue"] == close(expected.pvalue)
    assert found["wasserstein_distance"] == close(stats.wasserstein_distance(current, other))


@pytest.mark.parametrize(
    ("statistic", "n", "m", "pvalue"),
    [
        (0.049, 523, 941, 0.3829208808885818),
        (0.038, 941, 1192, 0.4228041687817168),
        (0.062, 1192, 1344, 0.014853915612309707),
    ],
)
def test_p_value_is_that_of_rows_that_databricks_wrote(
    statistic: float, n: int, m: int, pvalue: float
) -> None:
    assert drift.ks_pvalue(statistic, n, m) == close(pvalue)


@pytest.mark.parametrize("square", [2.2, 2.5, 3.0, 4.0, 8.0])
def test_p_value_of_many_values_is_that_of_scipy(square: float) -> None:
    statistic = math.sqrt(square / 50_500)

    assert drift.ks_pvalue(statistic, 101_000, 101_000) == pytest.approx(
        stats.kstwo.sf(statistic, 50_500), rel=0, abs=1e-9
    )


@settings(max_examples=60, deadline=None)
@given(WORDS, WORDS)
def test_distances_of_categories_agree_with_their_definitions(
    current: list[str], other: list[str]
) -> None:
    names = sorted({*current, *other})

    found = compare_categories(counted(current, names), counted(other, names))

    expected = by_definition.categories(current, other)
    assert found["js_distance"] == close(expected["js_distance"])
    assert found["chi_squared_test"]["statistic"] == close(expected["chi_squared"])
    assert found["tv_distance"] == close(expected["tv_distance"])
    assert found["l_infinity_distance"] == close(expected["l_infinity_distance"])
    if len(names) > 1:
        table = [[values.count(name) for name in names] for values in (current, other)]
        by_scipy = stats.chi2_contingency(table, correction=False)
        assert found["chi_squared_test"]["pvalue"] == close(by_scipy.pvalue)


def test_a_constant_is_told_from_another_constant() -> None:
    found = compare_numbers(np.full(5, 3.0), np.full(5, 5.0))

    assert found["population_stability_index"] > 10
    assert found["ks_test"]["statistic"] == 1


def test_only_the_distances_of_a_columns_kind_are_given() -> None:
    numbers = Numbers(2, 0, np.array([1.0, 2.0]))
    words = counted(["a", "b"], ["a", "b"])

    assert "js_distance" not in compare(numbers, numbers)
    assert "ks_test" not in compare(words, words)


def test_a_column_without_values_has_no_distance() -> None:
    numbers, nothing = Numbers(1, 0, np.array([1.0])), Numbers(2, 2)

    found = compare(nothing, numbers)

    assert found["percent_null_delta"] == 100
    assert found["avg_delta"] is None
    assert "ks_test" not in found
