"""Slices are compared by days with a correction for multiple tests; small ones are pooled."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from flight_delays.errors import UnusableInputError
from flight_delays.evaluation.model_types import regression
from flight_delays.evaluation.slices import (
    OTHERS,
    SliceComparison,
    SliceSize,
    compare_by_slice,
    correct_p_values,
    find_slices,
    locate_rows,
    measure_gaps,
    name_values,
)

SIZE = SliceSize(rows=100, days=5)
DAYS = np.repeat(np.arange(20), 60)
ROWS = DAYS.size
CARRIER = np.resize(["AA", "UA", "DL", "HA"], ROWS).astype(object)
RANDOM = np.random.default_rng(5)
LABELS = RANDOM.normal(size=ROWS)


def compare(challenger: Any, incumbent: Any, **changes: Any) -> dict[str, SliceComparison]:
    settings = {"model_type": regression("points"), "loss": "squared_error", "size": SIZE}
    found = compare_by_slice(
        LABELS, challenger, incumbent, {"carrier": CARRIER}, DAYS,
        **{**settings, "margin": 0.005, "confidence": 0.95, **changes},
    )  # fmt: skip
    return {each.value: each for each in found}


def test_with_one_row_a_day_the_test_is_student_s_paired_one() -> None:
    ours, theirs = LABELS[:30] + RANDOM.normal(1, 1, 30), LABELS[:30] + RANDOM.normal(0, 1, 30)
    (found,) = compare_by_slice(
        LABELS[:30], ours, theirs, {"all": ["one"] * 30}, np.arange(30),
        model_type=regression("points"), loss="squared_error", size=SliceSize(rows=30, days=5),
        margin=0.1, confidence=0.9,
    )  # fmt: skip
    differences = (ours - LABELS[:30]) ** 2 - (theirs - LABELS[:30]) ** 2
    expected = stats.ttest_1samp(differences, 0.1, alternative="greater")
    assert found.p_value == pytest.approx(expected.pvalue)
    low, high = stats.ttest_1samp(differences, 0).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_p_values_are_corrected_as_holm_does() -> None:
    assert correct_p_values([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert correct_p_values([0.5, 0.9]) == [1.0, 1.0]
    assert correct_p_values([]) == []


def test_identical_models_are_worse_nowhere() -> None:
    found = compare(LABELS + 0.5, LABELS + 0.5, margin=0.0)
    assert {each.p_value for each in found.values()} == {1.0}
    assert {each.gap_increase for each in found.values()} == {0.0}


def test_slice_that_is_worse_is_found_and_the_others_are_not() -> None:
    better, worse = LABELS + RANDOM.normal(0, 0.2, ROWS), LABELS + RANDOM.normal(0, 0.2, ROWS)
    worse[CARRIER == "HA"] += 0.5
    found = compare(worse, better)
    assert found["HA"].p_value < 1e-6
    assert min(each.p_value for value, each in found.items() if value != "HA") > 0.05
    assert found["HA"].gap_increase == pytest.approx(0.5, abs=0.05)
    assert found["HA"].low < found["HA"].difference < found["HA"].high
    assert (found["HA"].rows, found["HA"].days) == (300, 20)


def test_equal_models_are_found_worse_no_more_often_than_the_level() -> None:
    refused = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        shared = random.normal(0, 0.3, 20)[DAYS]
        ours, theirs = (LABELS + shared + random.normal(0, 0.3, ROWS) for _ in range(2))
        refused += min(each.p_value for each in compare(ours, theirs, margin=0.0).values()) < 0.05
    assert refused <= 20


def test_values_too_small_to_be_judged_are_judged_together() -> None:
    carrier = np.array([f"small {row // 50}" for row in range(ROWS)])
    found = list(find_slices({"carrier": carrier}, DAYS, ROWS, SIZE))
    assert [(value, int(members.sum())) for _, value, members, _ in found] == [(OTHERS, ROWS)]


def test_large_value_of_too_few_days_joins_the_small_ones() -> None:
    carrier = np.where(DAYS < 4, "early", "late")
    found = list(find_slices({"carrier": carrier}, DAYS, ROWS, SliceSize(rows=100, days=5)))
    assert [value for _, value, *_ in found] == ["late"]
    found = list(find_slices({"carrier": carrier}, DAYS, ROWS, SliceSize(rows=100, days=4)))
    assert [value for _, value, *_ in found] == ["early", "late"]


@pytest.mark.parametrize("missing", [None, np.nan])
def test_missing_values_are_a_slice(missing: object) -> None:
    carrier = np.array([missing if value == "HA" else value for value in CARRIER], dtype=object)
    found = find_slices({"carrier": carrier}, DAYS, ROWS, SIZE)
    assert [value for _, value, *_ in found] == ["AA", "DL", "UA", "missing"]


def test_whole_numbers_are_named_alike_as_integers_and_doubles() -> None:
    assert list(name_values(np.array([1, 20]))) == ["1", "20"]
    assert list(name_values(np.array([1.0, 20.0, np.nan]))) == ["1", "20", "missing"]
    assert list(name_values(np.array([1.5, 20.0]))) == ["1.5", "20.0"]


def test_gap_beyond_the_limit_is_significant_only_with_enough_days() -> None:
    labels = (RANDOM.random(ROWS) < 0.2).astype(float)
    predictions = np.where(CARRIER == "HA", 0.6, 0.2)
    gaps = measure_gaps(labels, predictions, {"carrier": CARRIER}, DAYS, size=SIZE, limit=0.1)
    assert [gap.value for gap in gaps if gap.p_value < 0.05] == ["HA"]
    within = measure_gaps(labels, predictions, {"carrier": CARRIER}, DAYS, size=SIZE, limit=0.45)
    assert [gap.value for gap in within if gap.p_value < 0.05] == []


def test_rows_that_do_not_fit_are_refused_by_name() -> None:
    with pytest.raises(UnusableInputError, match="column carrier of the slices: got values of sh"):
        list(find_slices({"carrier": ["AA"]}, DAYS, ROWS, SIZE))
    with pytest.raises(UnusableInputError, match="column days of the slices"):
        list(find_slices({}, DAYS[1:], ROWS, SIZE))
    with pytest.raises(UnusableInputError, match="size of slices: got 100 rows on 1 days"):
        SliceSize(rows=100, days=1)
    with pytest.raises(UnusableInputError, match="predictions: got 1 of"):
        compare(np.where(np.arange(ROWS) == 3, np.nan, LABELS), LABELS)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (CARRIER == "HA", "carrier=HA: 300 of its 300 rows, 300 of all 300"),
        ((CARRIER == "HA") & (DAYS < 10), "carrier=HA: 150 of its 300 rows, 150 of all 150"),
        (np.arange(ROWS) % 6 == 0, "wind=missing: 200 of its 200 rows, 200 of all 200"),
        (np.arange(ROWS) % 97 == 0, "spread over all values of every column"),
        (np.full(ROWS, True), "every row"),
    ],
)
def test_rows_are_located_by_the_value_that_has_most_of_them(chosen: Any, expected: str) -> None:
    wind = np.where(np.arange(ROWS) % 6 == 0, np.nan, np.arange(ROWS))
    assert locate_rows(chosen, {"carrier": CARRIER, "wind": wind}) == expected
