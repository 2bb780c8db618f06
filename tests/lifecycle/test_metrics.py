"""Metrics agree with their definitions and refuse what cannot be measured."""

from math import log, nan

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from flight_delays.lifecycle import (
    UnusableInputError,
    largest_difference,
    log_losses,
    measure,
)


def test_figures_of_four_rows_are_those_worked_out_by_hand() -> None:
    metrics = measure([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    assert (metrics.rows, metrics.positives, metrics.base_rate) == (4, 2, 0.5)
    assert metrics.auc == pytest.approx(0.75)
    assert metrics.log_loss == pytest.approx(-(log(0.9) + log(0.6) + log(0.35) + log(0.8)) / 4)
    assert metrics.brier == pytest.approx((0.01 + 0.16 + 0.4225 + 0.04) / 4)
    # bins 0.1, 0.3, 0.4, 0.8 hold one row each
    assert metrics.calibration_error == pytest.approx((0.1 + 0.65 + 0.4 + 0.2) / 4)


def test_figures_of_many_rows_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(3)
    predictions = random.beta(1, 3, 5000)
    labels = (random.random(5000) < predictions).astype(int)
    metrics = measure(labels, predictions)
    assert metrics.auc == pytest.approx(roc_auc_score(labels, predictions))
    assert metrics.log_loss == pytest.approx(log_loss(labels, predictions))


def test_calibration_error_is_small_for_a_calibrated_and_large_for_a_shifted_prediction() -> None:
    random = np.random.default_rng(5)
    predictions = random.uniform(0, 0.8, 50_000)
    labels = random.random(50_000) < predictions
    assert measure(labels, predictions).calibration_error < 0.01
    assert measure(labels, predictions + 0.2).calibration_error == pytest.approx(0.2, abs=0.01)


def test_calibration_error_does_not_depend_on_the_order_of_equal_predictions() -> None:
    predictions = [0.25] * 40
    labels = [1] * 10 + [0] * 30
    assert measure(labels, predictions).calibration_error == pytest.approx(0)


def test_a_certain_prediction_shares_the_last_bin() -> None:
    assert measure([0, 1], [1.0, 0.9]).calibration_error == pytest.approx((1.0 - 0.1) / 2)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone_has_no_auc(label: int) -> None:
    assert measure([label] * 3, [0.1, 0.5, 1.0]).auc is None


def test_a_certain_mistake_costs_a_bounded_loss() -> None:
    losses = log_losses([1, 0, 1, 0], [0.0, 1.0, 1.0, 0.0])
    assert losses == pytest.approx([-log(1e-7), -log(1e-7), 0, 0], abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        ([], [], "labels: got an array of shape"),
        ([[0, 1]], [0.1, 0.2], "labels: got an array of shape"),
        ([0, nan], [0.1, 0.2], "labels: got 1 of 2 that are neither, the first at row 1"),
        ([0, None], [0.1, 0.2], "labels: got 1 of 2 that are neither, the first at row 1"),
        ([0, 2, 2], [0.1, 0.2, 0.3], "labels: got 2 of 3 that are neither, the first at row 1: 2"),
        ([{}, {}], [0.1, 0.2], "labels: got values that are no numbers"),
        (["no", "yes"], [0.1, 0.2], "labels: got values that are no numbers"),
        (pd.Series([0, None], dtype="Int64"), [0.1, 0.2], "labels: got"),
        ([0, 1], [0.1], "predictions: got 1 rows for 2 labels"),
        ([0, 1], [0.1, nan], "predictions: got 1 of 2 that are not, the first at row 1"),
        ([0, 1], [0.1, 1.5], "predictions: got 1 of 2 that are not, the first at row 1: 1.5"),
        ([0, 1], [-0.1, 0.5], "predictions: got 1 of 2 that are not, the first at row 0"),
        ([0, 1], [[0.9, 0.1], [0.2, 0.8]], "predictions: got an array of shape"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_its_facts(
    labels: list[float], predictions: list[float], message: str
) -> None:
    with pytest.raises(UnusableInputError, match=f"^{message}"):
        measure(labels, predictions)
    with pytest.raises(UnusableInputError, match=f"^{message}"):
        log_losses(labels, predictions)


def test_largest_difference_is_absolute_and_a_missing_value_is_not_lost() -> None:
    assert largest_difference([0.1, 0.5], [0.2, 0.2]) == pytest.approx(0.3)
    assert np.isnan(largest_difference([0.1, nan], [0.1, 0.2]))
    assert np.isnan(largest_difference([np.inf, 0.1], [np.inf, 0.1]))
    with pytest.raises(UnusableInputError, match="got 2 and 1 rows"):
        largest_difference([0.1, 0.5], [0.1])
