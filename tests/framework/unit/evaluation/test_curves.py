"""Data of the plots."""

from dataclasses import astuple

import numpy as np
import pytest

from flight_delays.evaluation.curves import (
    Bin,
    balance_alarms,
    bin_predictions,
    count_in_bins,
    measure_slices,
    sweep_thresholds,
)
from flight_delays.evaluation.model_types import BINARY_CLASSIFICATION

LABELS = np.array([0.0, 0.0, 1.0, 0.0, 1.0, 1.0])
PREDICTIONS = np.array([0.1, 0.2, 0.3, 0.4, 0.7, 0.9])


def test_bins_have_equal_numbers_of_rows_from_low_to_high() -> None:
    low, high = bin_predictions(LABELS, PREDICTIONS, bins=2)
    assert astuple(low) == pytest.approx((0.2, 1 / 3, 3))
    assert astuple(high) == pytest.approx((2 / 3, 2 / 3, 3))


def test_rows_with_same_prediction_share_a_bin() -> None:
    (only,) = bin_predictions(np.array([0.0, 1.0, 1.0, 1.0]), np.full(4, 0.5), bins=4)
    assert only == Bin(0.5, 0.75, 4)


def test_thresholds_have_precision_recall_and_share_of_alarms() -> None:
    found = sweep_thresholds(LABELS, PREDICTIONS)
    assert list(found.index) == list(PREDICTIONS)
    assert list(found.loc[0.1]) == pytest.approx([0.5, 1.0, 1.0])
    assert list(found.loc[0.7]) == pytest.approx([1.0, 2 / 3, 2 / 6])


def test_rows_with_same_prediction_share_a_threshold() -> None:
    found = sweep_thresholds(LABELS, np.array([0.2, 0.2, 0.2, 0.2, 0.6, 0.6]))
    assert list(found.index) == [0.2, 0.6]
    assert list(found["alarms"]) == pytest.approx([1, 2 / 6])


def test_there_are_no_thresholds_where_no_label_is_1() -> None:
    assert sweep_thresholds(np.zeros(6), PREDICTIONS).empty


def test_balanced_alarms_are_as_many_as_labels_of_1() -> None:
    threshold = balance_alarms(LABELS, PREDICTIONS)
    assert np.sum(threshold <= PREDICTIONS) == LABELS.sum()


def test_small_slices_are_left_out_and_missing_values_form_one() -> None:
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


def test_outliers_are_counted_in_the_outermost_bins() -> None:
    values = np.append(np.linspace(0, 1, 1000), 1e6)
    middles, counts = count_in_bins(values, bins=4)
    assert counts.sum() == 1001
    assert middles[-1] < 1
