"""Metrics match their definitions; a model_type rejects invalid labels and predictions."""

from math import inf, log, nan, sqrt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    brier_score_loss,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from flight_delays.errors import UnusableInputError
from flight_delays.evaluation.metrics import largest_difference
from flight_delays.evaluation.model_types import (
    BINARY_CLASSIFICATION,
    ModelType,
    regression,
)

MINUTES = regression("minutes")


def test_figures_of_four_rows_are_those_worked_out_by_hand() -> None:
    assert BINARY_CLASSIFICATION.measure([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) == pytest.approx(
        {
            "auc": 0.75,
            "log_loss": -(log(0.9) + log(0.6) + log(0.35) + log(0.8)) / 4,
            "brier": (0.01 + 0.16 + 0.4225 + 0.04) / 4,
            # bins 0.1, 0.3, 0.4, 0.8 have one row each
            "calibration_error": (0.1 + 0.65 + 0.4 + 0.2) / 4,
            "base_rate": 0.5,
        }
    )
    assert MINUTES.measure([10, 20, 30, 60], [12, 16, 36, 60]) == pytest.approx(
        {
            "mae": (2 + 4 + 6 + 0) / 4,
            "rmse": sqrt((4 + 16 + 36 + 0) / 4),
            # the mean is 30; the labels deviate by 20, 10, 0 and 30
            "r2": 1 - (4 + 16 + 36 + 0) / (400 + 100 + 0 + 900),
            "bias": (2 - 4 + 6 + 0) / 4,
        }
    )


def test_figures_of_many_rows_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(3)
    predictions = random.beta(1, 3, 5000)
    labels = (random.random(5000) < predictions).astype(int)
    measured = BINARY_CLASSIFICATION.measure(labels, predictions)
    assert measured["auc"] == pytest.approx(roc_auc_score(labels, predictions))
    assert measured["log_loss"] == pytest.approx(log_loss(labels, predictions))
    assert measured["brier"] == pytest.approx(brier_score_loss(labels, predictions))
    durations, estimates = random.gamma(2, 30, 5000), random.gamma(2, 30, 5000)
    assert MINUTES.measure(durations, estimates) == pytest.approx(
        {
            "mae": mean_absolute_error(durations, estimates),
            "rmse": root_mean_squared_error(durations, estimates),
            "r2": r2_score(durations, estimates),
            "bias": float(np.mean(estimates - durations)),
        }
    )


def calibration_error(labels: Any, predictions: Any) -> float:
    error = BINARY_CLASSIFICATION.measure(labels, predictions)["calibration_error"]
    assert error is not None
    return error


def test_calibration_error_is_small_for_a_calibrated_and_large_for_a_shifted_prediction() -> None:
    random = np.random.default_rng(5)
    predictions = random.uniform(0, 0.8, 50_000)
    labels = random.random(50_000) < predictions
    assert calibration_error(labels, predictions) < 0.01
    assert calibration_error(labels, predictions + 0.2) == pytest.approx(0.2, abs=0.01)


def test_calibration_error_does_not_depend_on_the_order_of_equal_predictions() -> None:
    predictions = [0.25] * 40
    labels = [1] * 10 + [0] * 30
    assert calibration_error(labels, predictions) == pytest.approx(0)


def test_a_certain_prediction_shares_the_last_bin() -> None:
    assert calibration_error([0, 1], [1.0, 0.9]) == pytest.approx((1.0 - 0.1) / 2)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone_has_no_auc(label: int) -> None:
    assert BINARY_CLASSIFICATION.measure([label] * 3, [0.1, 0.5, 1.0])["auc"] is None


def test_a_certain_mistake_costs_a_bounded_loss() -> None:
    log_losses = BINARY_CLASSIFICATION.losses["log_loss"].of
    losses = log_losses(*BINARY_CLASSIFICATION.read([1, 0, 1, 0], [0.0, 1.0, 1.0, 0.0]))
    assert losses == pytest.approx([-log(1e-7), -log(1e-7), 0, 0], abs=1e-6)


@pytest.mark.parametrize("label", [0.0, 7.5, -3.0])
def test_labels_that_do_not_vary_have_no_share_to_explain(label: float) -> None:
    measured = MINUTES.measure([label] * 3, [1.0, 2.0, 3.0])
    assert measured["r2"] is None
    assert measured["mae"] is not None


def test_a_prediction_worse_than_the_mean_label_explains_less_than_nothing() -> None:
    r2 = MINUTES.measure([1.0, 2.0, 3.0], [3.0, 2.0, 1.0])["r2"]
    assert r2 == pytest.approx(-3)


POSITIVE = regression("minutes", lowest=0, highest=1440)


@pytest.mark.parametrize(
    ("model_type", "labels", "predictions", "message"),
    [
        (BINARY_CLASSIFICATION, [], [], "labels: got no rows"),
        (BINARY_CLASSIFICATION, [[0, 1]], [0.1, 0.2], "labels: got 2 columns, an array of shape"),
        (
            BINARY_CLASSIFICATION,
            [0, nan],
            [0.1, 0.2],
            "labels: got 1 of 2 that are not, the first at row 1",
        ),
        (
            BINARY_CLASSIFICATION,
            [0, None],
            [0.1, 0.2],
            "labels: got 1 of 2 that are not, the first at row 1",
        ),
        (
            BINARY_CLASSIFICATION,
            [0, 2, 2],
            [0.1, 0.2, 0.3],
            "labels: got 2 of 3 .* row 1: 2; allowed: 0 and 1,",
        ),
        (BINARY_CLASSIFICATION, [{}, {}], [0.1, 0.2], "labels: got values that are not numbers"),
        (
            BINARY_CLASSIFICATION,
            ["no", "yes"],
            [0.1, 0.2],
            "labels: got text, the first at row 0: 'no'; allowed: one number a row",
        ),
        (BINARY_CLASSIFICATION, pd.Series([0, None], dtype="Int64"), [0.1, 0.2], "labels: got"),
        (BINARY_CLASSIFICATION, [0, 1], [0.1], "predictions: got 1 rows for 2 labels"),
        (
            BINARY_CLASSIFICATION,
            [0, 1],
            [0.1, nan],
            "predictions: got 1 of 2 that are not, the first at row 1",
        ),
        (
            BINARY_CLASSIFICATION,
            [0, 1],
            [0.1, 1.5],
            "predictions: .* row 1: 1.5; allowed: .* from 0 to 1,",
        ),
        (
            BINARY_CLASSIFICATION,
            [0, 1],
            [-0.1, 0.5],
            "predictions: got 1 of 2 that are not, the first at row 0",
        ),
        (
            BINARY_CLASSIFICATION,
            [0, 1],
            [[0.9, 0.1], [0.2, 0.8]],
            "predictions: got 2 columns, an array of shape",
        ),
        (MINUTES, [], [], "labels: got no rows"),
        (MINUTES, [5, nan], [1, 2], "labels: got 1 of 2 .* row 1: nan; allowed: finite numbers,"),
        (MINUTES, [5, inf], [1, 2], "labels: got 1 of 2 that are not, the first at row 1: inf"),
        (MINUTES, [5, 6], [1, nan], "predictions: got 1 of 2 .* from -inf to inf, none missing"),
        (MINUTES, [5, 6], [1, -inf], "predictions: got 1 of 2 that are not, the first at row 1"),
        (MINUTES, [5, 6], [1, 2, 3], "predictions: got 3 rows for 2 labels"),
        (POSITIVE, [5, 6], [-0.1, 3], "predictions: .* row 0: -0.1; allowed: .* from 0 to 1440,"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_its_facts(
    model_type: ModelType, labels: Any, predictions: Any, message: str
) -> None:
    with pytest.raises(UnusableInputError, match=f"^{message}"):
        model_type.measure(labels, predictions)


@pytest.mark.parametrize(
    "model_type", [BINARY_CLASSIFICATION, MINUTES], ids=lambda model_type: model_type.name
)
def test_a_metric_that_is_better_when_higher_or_lower_says_so(model_type: ModelType) -> None:
    labels = np.tile([0.0, 1.0, 1.0, 0.0], 50)
    good, bad = 0.9 * labels + 0.05, 0.6 - 0.4 * labels
    better, worse = model_type.measure(labels, good), model_type.measure(labels, bad)
    for name, metric in model_type.metrics.items():
        first, second = better[name], worse[name]
        assert first is not None
        assert second is not None
        match metric.better:
            case "higher":
                assert first > second
            case "lower":
                assert first < second
            case "nearer to 0":
                assert abs(first) < abs(second)
            case "neither":
                assert first == second


@pytest.mark.parametrize(
    ("model_type", "value", "allowed"),
    [
        (BINARY_CLASSIFICATION, 0.0, True),
        (BINARY_CLASSIFICATION, 1, True),
        (BINARY_CLASSIFICATION, 0.4, True),
        (BINARY_CLASSIFICATION, 1.01, False),
        (BINARY_CLASSIFICATION, -0.1, False),
        (BINARY_CLASSIFICATION, nan, False),
        (BINARY_CLASSIFICATION, None, False),
        (BINARY_CLASSIFICATION, "0.4", False),
        (BINARY_CLASSIFICATION, [0.4], False),
        (BINARY_CLASSIFICATION, True, False),
        (MINUTES, -1e9, True),
        (MINUTES, inf, False),
        (MINUTES, nan, False),
        (MINUTES, "4", False),
        (POSITIVE, -1, False),
        (POSITIVE, 1440.0, True),
    ],
)
def test_only_a_finite_number_within_the_bounds_is_an_answer(
    model_type: ModelType, value: object, allowed: bool
) -> None:
    assert model_type.allows(value) is allowed


def test_largest_difference_of_large_numbers_is_relative() -> None:
    assert largest_difference([2e6, -4e6], [2e6, -4e6 - 4]) == pytest.approx(1e-6)


def test_largest_difference_of_a_small_number_is_not_hidden_by_a_large_one() -> None:
    assert largest_difference([1e9, 100, 200], [1e9, 110, 220]) == pytest.approx(0.1)
    assert np.isnan(largest_difference([np.inf, 100], [0.1, 100]))


def test_largest_difference_is_absolute_and_a_missing_value_is_not_lost() -> None:
    assert largest_difference([0.1, 0.5], [0.2, 0.2]) == pytest.approx(0.3)
    assert np.isnan(largest_difference([0.1, nan], [0.1, 0.2]))
    assert np.isnan(largest_difference([np.inf, 0.1], [np.inf, 0.1]))
    with pytest.raises(UnusableInputError, match="got 2 and 1 rows"):
        largest_difference([0.1, 0.5], [0.1])
