"""A policy is validated, and must require something that a bad model fails."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from pydantic import ValidationError

from flight_delays.config.policy import Policy
from flight_delays.errors import UnusableInputError
from flight_delays.evaluation.model_types import BINARY_CLASSIFICATION, ModelType, regression

DOCUMENT: dict[str, Any] = {
    "windows": {"holdout": {"months": 1}, "training": None, "batch": {"days": 7}, "ahead_hours": 2},
    "validation": {
        "min_rows": 1000,
        "max_rows": 100_000,
        "max_seconds_per_row": 0.01,
        "untried_environment": "refuse",
        "min_skill": 0.02,
        "metrics": {"auc": {"min": 0.6, "max": 0.9}, "log_loss": {"max": 0.6}},
        "slices": {
            "columns": ["carrier"],
            "min_rows": 100,
            "metric": "auc",
            "min": 0.55,
            "compared_rows": 100,
            "compared_days": 5,
            "margin": 0.005,
            "max_gap_increase": 0.08,
            "first_max_gap": 0.12,
        },
        "required_tags": ["as_of"],
        "min_description": 40,
    },
    "comparison": {
        "loss": "log_loss",
        "confidence": 0.95,
        "min_blocks": 14,
        "min_gain": 0.0,
        "first_min_gain": 0.005,
        "first_max_gain": 0.08,
        "margin": 0.002,
        "max_gain": 0.02,
    },
}
Break = Callable[[dict[str, Any]], None]


def change(*path: str, to: object) -> Break:
    def apply(document: dict[str, Any]) -> None:
        for part in path[:-1]:
            document = document[part]
        document[path[-1]] = to

    return apply


def read(broken: Break) -> Policy:
    document = deepcopy(DOCUMENT)
    broken(document)
    return Policy.model_validate(document)


METRICS = ("validation", "metrics")
SLICES = ("validation", "slices")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (change("valdation", to={}), r"valdation\s+Extra inputs"),
        (change("validation", "min_auk", to=0.5), r"min_auk\s+Extra inputs"),
        (change(*METRICS, to={}), r"metrics\s+.* at least 1 item"),
        (change(*METRICS, to=None), "metrics"),
        (change(*METRICS, "auc", to={}), "give min, max or both"),
        (change(*METRICS, "auc", to={"min": None}), "give min, max or both"),
        (change(*METRICS, "auc", to={"mim": 0.6}), r"mim\s+Extra inputs"),
        (change(*METRICS, "auc", to=0.6), "auc"),
        (change(*METRICS, "auc", "min", to=0.95), r"min \(0.95\) must be below max \(0.9\)"),
        (change(*METRICS, "auc", "min", to="0.6"), "auc.min"),
        (change(*METRICS, "auc", "min", to=float("nan")), "auc.min"),
        (change(*METRICS, "log_loss", "max", to=float("inf")), "log_loss.max"),
        (change(*SLICES, "compared_rows", to=29), "compared_rows"),
        (change(*SLICES, "compared_days", to=4), "compared_days"),
        (
            change(*SLICES, "compared_rows", to=1001),
            r"compared_rows: got 1001, allowed: validation.min_rows \(1000\) at most",
        ),
        (
            change(*SLICES, "compared_days", to=15),
            r"compared_days: got 15, allowed: comparison.min_blocks \(14\) at most",
        ),
        (change(*SLICES, "margin", to=-0.1), "margin"),
        (change(*SLICES, "max_gap_increase", to=None), "max_gap_increase"),
        (change(*SLICES, "first_max_gap", to=float("nan")), "first_max_gap"),
        (change(*SLICES, "columns", to=[]), r"columns\s+.* at least 1 item"),
        (change(*SLICES, "columns", to=[""]), "columns"),
        (change(*SLICES, "min", to=None), "give min, max or both"),
        (change(*SLICES, "min_rows", to=0), "min_rows"),
        (change(*SLICES, "min_rows", to=None), "min_rows"),
        (change(*SLICES, "metric", to=""), "metric"),
        (change("validation", "required_tags", to=[]), r"required_tags\s+.* at least 1 item"),
        (change("validation", "min_rows", to=0), "min_rows"),
        (change("validation", "min_rows", to="100"), "min_rows"),
        (change("validation", "max_rows", to=999), r"max_rows \(999\) is below min_rows \(1000\)"),
        (change("validation", "min_description", to=0), "min_description"),
        (change("comparison", "loss", to=None), "loss"),
        (change("comparison", "confidence", to=1.0), "confidence"),
        (change("comparison", "min_blocks", to=4), "min_blocks"),
        (change("comparison", "min_blocks", to=14.0), "min_blocks"),
        (change("comparison", "resamples", to=1000), r"resamples\s+Extra inputs"),
        (change("comparison", "margin", to=0.0), "margin"),
        (change("comparison", "max_gain", to=None), "max_gain"),
        (change("comparison", "max_gain", to=0.0), "max_gain"),
        (change("comparison", "first_max_gain", to=None), "first_max_gain"),
        (
            change("comparison", "first_max_gain", to=0.005),
            r"first_max_gain \(0.005\) must exceed first_min_gain \(0.005\)",
        ),
        (
            change("comparison", "min_gain", to=0.03),
            r"max_gain \(0.02\) must exceed min_gain \(0.03\)",
        ),
        (
            change("windows", "holdout", to={"days": 13}),
            r"windows.holdout: got 13 days, allowed: 14 or more.*Widen the holdout",
        ),
        (change("comparison", "min_blocks", to=29), "windows.holdout: got 28 days"),
        (change("comparison", "min_gain", to=-0.1), "min_gain"),
        (change("comparison", "first_min_gain", to=float("nan")), "first_min_gain"),
        (change("windows", "holdout", to=None), "holdout"),
        (change("windows", "holdout", to={}), "give either months or days"),
        (change("windows", "holdout", to={"months": 1, "days": 1}), "give either months or days"),
        (change("windows", "holdout", to={"weeks": 1}), r"weeks\s+Extra inputs"),
        (change("windows", "batch", to={"days": 0}), r"batch\.days"),
        (change("windows", "ahead_hours", to=-1), "ahead_hours"),
        (change("windows", "ahead_hours", to=169), "ahead_hours"),
        (change("windows", "ahead_hours", to=1.5), "ahead_hours"),
    ],
)
def test_a_policy_that_says_what_is_not_allowed_is_refused_by_name(
    broken: Break, message: str
) -> None:
    Policy.model_validate(DOCUMENT)
    with pytest.raises(ValidationError, match=message):
        read(broken)


ERRORS = {"rmse": {"min": 1.0, "max": 60.0}}


@pytest.mark.parametrize(
    ("model_type", "broken", "message"),
    [
        (
            BINARY_CLASSIFICATION,
            change(*METRICS, "rmse", to={"max": 60.0}),
            "metric of binary_classification: got 'rmse'; allowed: auc, log_loss, brier, "
            "calibration_error, base_rate",
        ),
        (
            BINARY_CLASSIFICATION,
            change(*SLICES, "metric", to="auk"),
            "metric of binary_classification: got 'auk'; allowed: auc,",
        ),
        (
            BINARY_CLASSIFICATION,
            change("comparison", "loss", to="logloss"),
            "loss of binary_classification: got 'logloss'; allowed: log_loss, squared_error",
        ),
        (
            regression("EUR"),
            change("comparison", "loss", to="squared_error"),
            "metric of regression: got 'auc'; allowed: mae, rmse, r2, bias",
        ),
        (
            BINARY_CLASSIFICATION,
            change(*METRICS, to={"auc": {"max": 0.9}, "log_loss": {"min": 0.1}}),
            "validation.metrics: got auc, log_loss; allowed: at least one bound that a bad model",
        ),
        (
            BINARY_CLASSIFICATION,
            change(*SLICES, to={**DOCUMENT["validation"]["slices"], "min": None, "max": 0.9}),
            "validation.slices: got auc; allowed: at least one bound that a bad model",
        ),
    ],
)
def test_a_policy_by_which_this_model_type_cannot_be_judged_is_refused_with_what_can(
    model_type: ModelType, broken: Break, message: str
) -> None:
    with pytest.raises(UnusableInputError) as refused:
        read(broken).require_model_type(model_type)
    assert str(refused.value).startswith(message)


def test_slices_may_be_left_out() -> None:
    document = deepcopy(DOCUMENT)
    del document["validation"]["slices"]
    policy = Policy.model_validate(document).require_model_type(BINARY_CLASSIFICATION)
    assert policy.validation.slices is None
    assert policy.validation.slice_columns == []


def test_a_policy_fits_its_kind() -> None:
    policy = Policy.model_validate(DOCUMENT)
    assert policy.require_model_type(BINARY_CLASSIFICATION) is policy
    figures = deepcopy(DOCUMENT)
    figures["validation"]["metrics"] = {"rmse": {"max": 60.0}, "bias": {"min": -5, "max": 5.0}}
    figures["validation"]["slices"] |= {"metric": "mae", "min": None, "max": 50.0}
    figures["comparison"]["loss"] = "absolute_error"
    assert Policy.model_validate(figures).require_model_type(regression("EUR"))
