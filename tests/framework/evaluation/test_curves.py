"""What plots are drawn of, by values."""

from dataclasses import astuple

import numpy as np
import pytest

from flight_delays.evaluation.curves import (
    Bin,
    Confusion,
    Operating,
    balance_alarms,
    bin_predictions,
    count_confusion,
    count_in_bins,
    measure_slices,
    sweep_thresholds,
)
from flight_delays.evaluation.model_types import BINARY_CLASSIFICATION

LABELS = np.array([0.0, 0.0, 1.0, 0.0, 1.0, 1.0])
PREDICTIONS = np.array([0.1, 0.2, 0.3, 0.4, 0.7, 0.9])


def test_bins_hold_as_many_rows_each_from_low_to_high() -> None:
    low, high = bin_predictions(LABELS, PREDICTIONS, bins=2)
    assert astuple(low) == pytest.approx((0.2, 1 / 3, 3))
    assert astuple(high) == pytest.approx((2 / 3, 2 / 3, 3))


def test_same_predictions_share_a_bin() -> None:
    (only,) = bin_predictions(np.array([0.0, 1.0, 1.0, 1.0]), np.full(4, 0.5), bins=4)
    assert only == Bin(0.5, 0.75, 4)


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.0, Operating(0.0, 0.5, 1.0, 1.0)),
        (0.7, Operating(0.7, 1.0, 2 / 3, 2 / 6)),
        (0.95, Operating(0.95, None, 0.0, 0.0)),
    ],
)
def test_alarms_at_a_threshold_and_above(threshold: float, expected: Operating) -> None:
    assert sweep_thresholds(LABELS, PREDICTIONS, [threshold]) == [expected]


def test_recall_is_missing_where_nothing_happened() -> None:
    (point,) = sweep_thresholds(np.zeros(6), PREDICTIONS, [0.5])
    assert (point.precision, point.recall) == (0.0, None)


def test_confusion_counts_every_row_once() -> None:
    assert count_confusion(LABELS, PREDICTIONS, 0.4) == Confusion(0.4, 2, 1, 1, 2)


def test_balanced_alarms_are_as_many_as_cases() -> None:
    threshold = balance_alarms(LABELS, PREDICTIONS)
    (point,) = sweep_thresholds(LABELS, PREDICTIONS, [threshold])
    assert point.alarms * LABELS.size == LABELS.sum()


def test_slices_below_the_size_asked_for_are_left_out_and_missing_values_are_one() -> None:
    values = np.array(["b", "b", "b", None, None, "a"], dtype=object)
    first, second = measure_slices(
        LABELS,
        PREDICTIONS,
        {"origin": values},
        metric=BINARY_CLASSIFICATION.require_metric("auc"),
        min_rows=2,
    )
    assert (first.column, first.value, first.rows, first.figure) == ("origin", "b", 3, 1.0)
    assert (first.label, first.prediction) == pytest.approx((1 / 3, 0.2))
    assert (second.column, second.value, second.rows, second.figure) == (
        "origin",
        "missing",
        2,
        1.0,
    )
    assert (second.label, second.prediction) == pytest.approx((0.5, 0.55))


def test_values_beyond_the_outermost_hundredths_are_counted_in_the_outermost_bins() -> None:
    values = np.append(np.linspace(0, 1, 1000), 1e6)
    counts = count_in_bins(values, bins=4)
    assert sum(count for _, count in counts) == 1001
    assert counts[-1][0] < 1
