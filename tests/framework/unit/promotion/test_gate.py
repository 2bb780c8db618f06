"""The gate passes a sound version, and fails each fault by name."""

from dataclasses import replace
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flight_delays.config.policy import ValidationPolicy
from flight_delays.errors import UnusableInputError
from flight_delays.evaluation.availability import Availability, Missing
from flight_delays.evaluation.model_types import BINARY_CLASSIFICATION, regression
from flight_delays.promotion.decide import Failed, Passed, Verdict
from flight_delays.promotion.gate import Evidence
from flight_delays.promotion.gate import validate as validate_by

ROWS = 6000
RANDOM = np.random.default_rng(11)
CHANCE: NDArray[np.float64] = RANDOM.beta(1, 3, ROWS)
LABELS = (RANDOM.random(ROWS) < CHANCE).astype(np.int64)
CARRIER = np.resize(np.repeat(["AA", "DL", "UA"], [1, 4, 5]), ROWS)

POLICY: dict[str, Any] = {
    "min_rows": 1000,
    "max_rows": 100_000,
    "max_seconds_per_row": 0.01,
    "untried_environment": "refuse",
    "min_skill": 0.02,
    "metrics": {
        "auc": {"min": 0.65, "max": 0.95},
        "log_loss": {"max": 0.6},
        "calibration_error": {"max": 0.05},
    },
    "slices": {
        "columns": ["carrier", "origin"],
        "min_rows": 500,
        "metric": "auc",
        "min": 0.6,
        "compared_rows": 100,
        "compared_days": 5,
        "margin": 0.005,
        "max_gap_increase": 0.08,
        "first_max_gap": 0.05,
    },
    "required_tags": ["git_commit", "as_of"],
    "min_description": 20,
}
SOUND = Evidence(
    model_type=BINARY_CLASSIFICATION,
    labels=LABELS,
    predictions=CHANCE,
    slices={"carrier": CARRIER, "origin": np.repeat(["JFK", "EWR"], ROWS // 2)},
    days=np.arange(ROWS) // 200,
    has_champion=True,
    served_difference=0.0,
    availability=Availability(250, 230),
    signature_inputs=True,
    signature_outputs=["double"],
    description="Chance that a flight arrives late.",
    tags={"git_commit": "0a1b2c3", "as_of": "2013-11-01"},
)


def poison(values: NDArray[Any], row: int, value: float) -> NDArray[np.float64]:
    changed = values.astype(np.float64)
    changed[row] = value
    return changed


def policy(**changes: Any) -> ValidationPolicy:
    """Return the policy with changed sections or settings."""
    changed = {
        name: {**POLICY[name], **part} if isinstance(part, dict) else part
        for name, part in changes.items()
    }
    return ValidationPolicy.model_validate({**POLICY, **changed})


def validate(evidence: Evidence, policy: ValidationPolicy) -> Verdict:
    return validate_by(evidence, policy, confidence=0.95)


def failures(verdict: Verdict) -> set[str]:
    return {check.name for check in verdict.checks if not check.ok}


def test_a_sound_version_passes_and_every_check_is_listed() -> None:
    verdict = validate(SOUND, policy())
    assert isinstance(verdict, Passed)
    assert [check.name for check in verdict.checks] == [
        "labels",
        "predictions",
        "missing_predictions",
        "impossible_predictions",
        "prediction_spread",
        "served_difference",
        "rows",
        "availability",
        "min_auc",
        "max_auc",
        "max_log_loss",
        "max_calibration_error",
        "slices[carrier]",
        "min_auc[carrier=AA]",
        "min_auc[carrier=DL]",
        "min_auc[carrier=UA]",
        "slices[origin]",
        "min_auc[origin=EWR]",
        "min_auc[origin=JFK]",
        "signature_inputs",
        "signature_outputs",
        "description_length",
        "description",
        "tag[git_commit]",
        "tag[as_of]",
    ]
    assert verdict.reason == "all 25 checks hold"
    assert [check.detail for check in verdict.checks if "(" in check.detail] == []


MEASURED = {"min_auc", "max_auc", "max_log_loss", "max_calibration_error"}
SLICED = {"slices[carrier]", "slices[origin]"}
MIXED_UP = CHANCE.copy()
MIXED_UP[CARRIER == "AA"] = RANDOM.permutation(CHANCE[CARRIER == "AA"])
LEAKING = Availability(250, 230, [Missing("landed_at", 1.0, 0.02)])
ONE_CLASS = np.where(CARRIER == "AA", 0, LABELS)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"predictions": poison(CHANCE, 7, nan)}, {"missing_predictions"} | MEASURED | SLICED),
        ({"predictions": poison(CHANCE, 7, inf)}, {"missing_predictions"} | MEASURED | SLICED),
        ({"predictions": poison(CHANCE, 7, 1.01)}, {"impossible_predictions"} | MEASURED | SLICED),
        ({"predictions": poison(CHANCE, 7, -0.01)}, {"impossible_predictions"} | MEASURED | SLICED),
        ({"predictions": CHANCE[1:]}, {"predictions"} | MEASURED | SLICED),
        (
            {"predictions": np.stack([1 - CHANCE, CHANCE], axis=1)},
            {"predictions", "missing_predictions", "impossible_predictions", "prediction_spread"}
            | MEASURED
            | SLICED,
        ),
        (
            {"predictions": np.full(ROWS, nan)},
            {"missing_predictions", "prediction_spread"} | MEASURED | SLICED,
        ),
        (
            {"predictions": np.full(ROWS, LABELS.mean())},
            {"prediction_spread", "min_auc"}
            | {f"min_auc[carrier={name}]" for name in ("AA", "DL", "UA")}
            | {"min_auc[origin=EWR]", "min_auc[origin=JFK]"},
        ),
        ({"labels": poison(LABELS, 3, nan)}, {"labels", "rows", "predictions"} | MEASURED | SLICED),
        ({"labels": poison(LABELS, 3, 2)}, {"labels", "rows", "predictions"} | MEASURED | SLICED),
        ({"labels": []}, {"labels", "rows", "predictions"} | MEASURED | SLICED),
        ({"predictions": MIXED_UP}, {"min_auc[carrier=AA]"}),
        ({"labels": ONE_CLASS}, {"min_auc[carrier=AA]"}),
        ({"served_difference": 2e-6}, {"served_difference"}),
        ({"served_difference": nan}, {"served_difference"}),
        ({"served_difference": None}, {"served_difference"}),
        ({"availability": LEAKING}, {"availability"}),
        ({"signature_inputs": False}, {"signature_inputs"}),
        ({"signature_outputs": []}, {"signature_outputs"}),
        ({"signature_outputs": ["string"]}, {"signature_outputs"}),
        ({"signature_outputs": ["double", "double"]}, {"signature_outputs"}),
        ({"description": None}, {"description_length", "description"}),
        ({"description": "   " * 20}, {"description_length", "description"}),
        ({"description": "x" * 40}, {"description"}),
        ({"description": "A rather short one."}, {"description_length"}),
        ({"tags": {}}, {"tag[git_commit]", "tag[as_of]"}),
        ({"tags": {"git_commit": "0a1b2c3", "as_of": " "}}, {"tag[as_of]"}),
        ({"tags": {"git_commit": "0a1b2c3", "as_of": None}}, {"tag[as_of]"}),
        ({"tags": {"git_commit": "?", "as_of": "2013-11-01"}}, {"tag[git_commit]"}),
        ({"slices": {"carrier": CARRIER}}, {"slices[origin]"}),
        ({"slices": {"carrier": CARRIER, "origin": ["JFK"]}}, {"slices[origin]"}),
        ({"slices": {"carrier": CARRIER, "origin": ["JFK"] * 9000}}, {"slices[origin]"}),
        ({"slices": {"carrier": CARRIER, "origin": np.arange(ROWS)}}, {"slices[origin]"}),
    ],
)
def test_each_fault_fails_by_its_own_name(changes: dict[str, Any], expected: set[str]) -> None:
    verdict = validate(replace(SOUND, **changes), policy())
    assert isinstance(verdict, Failed)
    assert failures(verdict) == expected


def test_a_version_that_knows_the_answer_is_too_good_to_be_true() -> None:
    leaked = 0.1 + 0.8 * LABELS + np.linspace(0, 0.05, ROWS)
    lenient = policy(metrics={"calibration_error": {"max": 1}})
    verdict = validate(replace(SOUND, predictions=leaked), lenient)
    assert failures(verdict) == {"max_auc"}
    assert "too good to be true" in verdict.reason


def test_input_that_comes_with_the_label_is_named_with_its_shares() -> None:
    verdict = validate(replace(SOUND, availability=LEAKING), policy())
    assert verdict.reason == (
        "1 of 25 checks failed: availability: of 230 rows without a known label landed_at is "
        "missing on 100%, else on 2%"
    )


def test_too_few_rows_without_a_label_pass_and_are_counted() -> None:
    verdict = validate(replace(SOUND, availability=Availability(7, 0)), policy())
    assert isinstance(verdict, Passed)
    (check,) = (check for check in verdict.checks if check.name == "availability")
    assert "not tried: 7 rows have no known label" in check.detail


def test_shuffled_labels_fail() -> None:
    shuffled = np.random.default_rng(1).permutation(LABELS)
    verdict = validate(replace(SOUND, labels=shuffled), policy())
    assert isinstance(verdict, Failed)
    assert "min_auc" in failures(verdict)


def test_one_class_on_all_rows_has_no_auc_and_fails() -> None:
    verdict = validate(replace(SOUND, labels=np.zeros(ROWS)), policy())
    assert {"min_auc", "max_auc", "min_auc[carrier=AA]"} <= failures(verdict)
    (auc,) = (check for check in verdict.checks if check.name == "min_auc")
    assert auc.value is None
    assert auc.detail == ("not measured, expected at least 0.65 (one class only among the labels)")


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"min_rows": ROWS + 1}, "rows"),
        ({"metrics": {"auc": {"min": 0.94}}}, "min_auc"),
        ({"metrics": {"auc": {"max": 0.66}}}, "max_auc"),
        ({"metrics": {"log_loss": {"max": 0.1}}}, "max_log_loss"),
        ({"metrics": {"calibration_error": {"max": 0.0}}}, "max_calibration_error"),
        ({"metrics": {"brier": {"max": 0.01}}}, "max_brier"),
        ({"metrics": {"base_rate": {"min": 0.5, "max": 0.6}}}, "min_base_rate"),
        ({"min_description": 100}, "description_length"),
        ({"slices": {"columns": ["carrier"], "min_rows": ROWS}}, "slices[carrier]"),
        ({"required_tags": ["owner"]}, "tag[owner]"),
    ],
)
def test_each_threshold_is_held(changes: dict[str, Any], check: str) -> None:
    assert failures(validate(SOUND, policy(**changes))) == {check}


def test_a_metric_that_the_model_type_does_not_have_is_refused_with_those_there_are() -> None:
    message = r"metric of binary_classification: got 'rmse'; allowed: auc, log_loss, brier"
    with pytest.raises(UnusableInputError, match=message):
        validate(SOUND, policy(metrics={"rmse": {"max": 5}}))
    with pytest.raises(UnusableInputError, match=message):
        validate(SOUND, policy(slices={"metric": "rmse"}))


def test_a_figure_that_meets_its_threshold_exactly_holds() -> None:
    (auc,) = (c for c in validate(SOUND, policy()).checks if c.name == "min_auc")
    assert auc.value is not None
    for bounds in ({"min": auc.value}, {"max": auc.value}):
        edge = policy(min_rows=ROWS, metrics={"auc": bounds})
        assert isinstance(validate(SOUND, edge), Passed)


def test_small_slices_are_counted_but_not_judged() -> None:
    carrier = CARRIER.astype(object)
    carrier[:499] = "F9"
    mixed = replace(SOUND, slices={**SOUND.slices, "carrier": carrier})
    verdict = validate(mixed, policy())
    details = {check.name: check.detail for check in verdict.checks}
    assert details["slices[carrier]"] == "3 of 4 slices have 500 rows or more"
    assert "min_auc[carrier=F9]" not in details
    assert "min_auc[carrier=F9]" in {
        check.name for check in validate(mixed, policy(slices={"min_rows": 499})).checks
    }


@pytest.mark.parametrize("missing", [None, nan])
def test_rows_without_a_slice_value_are_a_slice_of_their_own(missing: Any) -> None:
    origin = np.repeat(np.array(["JFK", missing], dtype=object), ROWS // 2)
    verdict = validate(replace(SOUND, slices={**SOUND.slices, "origin": origin}), policy())
    assert "min_auc[origin=missing]" in {check.name for check in verdict.checks}


def test_the_reason_of_a_failure_says_what_was_found_and_asked() -> None:
    verdict = validate(SOUND, policy(min_rows=ROWS + 1))
    assert verdict.reason == "1 of 25 checks failed: rows: 6,000, expected at least 6,001"


def test_a_long_list_of_failures_still_fits_into_a_tag() -> None:
    columns = [f"column_{position}" for position in range(60)]
    verdict = validate(SOUND, policy(slices={"columns": columns}))
    assert len(failures(verdict)) == 60
    assert len(verdict.reason) == 1000
    assert verdict.reason.startswith("60 of 78 checks failed: slices[column_0]: no such column")


NO_NUMBER = np.where(CARRIER == "AA", nan, CHANCE)


def test_missing_predictions_are_located() -> None:
    verdict = validate(replace(SOUND, predictions=NO_NUMBER), policy())
    assert (
        "missing_predictions: 600, expected at most 0 (NaN or infinite, carrier=AA: 600 of its"
        in (verdict.reason)
    )
    engine = np.array([None if row < 9 else "jet" for row in range(ROWS)], dtype=object)
    verdict = validate(
        replace(
            SOUND, predictions=np.where(np.arange(ROWS) < 9, nan, CHANCE), places={"engine": engine}
        ),
        policy(),
    )
    assert "engine=missing: 9 of its 9 rows, 9 of all 9" in verdict.reason


@pytest.mark.parametrize(
    ("predictions", "detail"),
    [
        (
            np.stack([1 - CHANCE, CHANCE], axis=1),
            "predictions: got 2 columns, an array of shape (6000, 2); allowed: one dimension with "
            "at least one row. Give one number a row: of probabilities by class, the column of",
        ),
        (
            np.where(CHANCE > 0.5, "late", "on time"),
            "predictions: got text, the first at row 0: 'on time'; allowed: one number a row",
        ),
        (CHANCE.astype(str).astype(object), "predictions: got text, the first at row 0: '0."),
        (
            [],
            "predictions: got no rows; allowed: one dimension with at least one row. Give a later",
        ),
    ],
)
def test_predictions_of_another_shape_or_type_are_said_in_a_sentence(
    predictions: Any, detail: str
) -> None:
    verdict = validate(replace(SOUND, predictions=predictions), policy())
    (check,) = (each for each in verdict.checks if each.name == "predictions")
    assert check.detail.startswith(detail)


def test_reason_begins_with_what_weighs_most() -> None:
    worst = replace(SOUND, predictions=poison(CHANCE, 7, nan), tags={}, description="?")
    verdict = validate(worst, policy())
    failed = [check.name for check in verdict.checks if not check.ok]
    assert failed[0] == "missing_predictions"
    assert failed[-4:] == ["description_length", "description", "tag[git_commit]", "tag[as_of]"]
    assert ": missing_predictions: 1, expected at most 0" in verdict.reason


def test_without_slices_none_are_judged() -> None:
    verdict = validate(replace(SOUND, has_champion=False), policy(slices=None))
    assert isinstance(verdict, Passed)
    assert [check.name for check in verdict.checks if "[carrier" in check.name] == []


def test_first_champion_is_held_to_the_labels_of_each_slice() -> None:
    first = replace(SOUND, has_champion=False)
    assert isinstance(validate(first, policy()), Passed)
    tripled = np.where(CARRIER == "AA", np.minimum(3 * CHANCE, 1), CHANCE)
    lenient = policy(
        metrics={"log_loss": {"max": 5}, "calibration_error": {"max": 1}, "auc": {"min": 0.55}}
    )
    found = validate(replace(first, predictions=tripled), lenient)
    assert failures(found) == {"slice_gaps", "gap[carrier=AA]"}
    assert "mean prediction 0.3" in found.reason
    # With a Champion, deploy compares them.
    assert isinstance(validate(replace(SOUND, predictions=tripled), lenient), Passed)


def test_days_of_other_rows_fail() -> None:
    verdict = validate(replace(SOUND, has_champion=False, days=[1]), policy())
    assert failures(verdict) == {"slice_gaps"}


MINUTES: NDArray[np.float64] = RANDOM.gamma(2, 30, ROWS)
ESTIMATES = 0.8 * MINUTES + RANDOM.normal(12, 5, ROWS)
NUMBERS = replace(
    SOUND, model_type=regression("minutes", lowest=-60), labels=MINUTES, predictions=ESTIMATES
)


def errors(**metrics: dict[str, float]) -> ValidationPolicy:
    """Return a regression policy with changed metrics."""
    asked = {"rmse": {"min": 1, "max": 20}, "r2": {"min": 0.5}, "bias": {"min": -2, "max": 2}}
    slices = POLICY["slices"] | {"columns": ["carrier"], "metric": "mae", "min": None, "max": 12}
    return ValidationPolicy.model_validate(
        {**POLICY, "metrics": {**asked, **metrics}, "slices": slices}
    )


def test_a_sound_model_of_numbers_passes_by_checks_of_its_own() -> None:
    verdict = validate(NUMBERS, errors())
    assert isinstance(verdict, Passed)
    names = [check.name for check in verdict.checks]
    assert names[8:-6] == [
        "min_rmse",
        "max_rmse",
        "min_r2",
        "min_bias",
        "max_bias",
        "slices[carrier]",
        "max_mae[carrier=AA]",
        "max_mae[carrier=DL]",
        "max_mae[carrier=UA]",
    ]
    details = {check.name: check.detail for check in verdict.checks}
    assert details["max_rmse"].endswith(" minutes, expected at most 20 minutes")
    assert details["min_r2"].endswith(", expected at least 0.5")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"predictions": ESTIMATES + 3}, {"max_bias"}),
        ({"predictions": ESTIMATES - 3}, {"min_bias"}),
        ({"predictions": MINUTES + 0.5}, {"min_rmse"}),
        (
            {"predictions": poison(ESTIMATES, 7, -61)},
            {"impossible_predictions", "min_rmse", "max_rmse", "min_r2", "min_bias", "max_bias"}
            | {"slices[carrier]"},
        ),
        (
            {"labels": poison(MINUTES, 7, nan)},
            {"labels", "rows", "predictions"}
            | {"min_rmse", "max_rmse", "min_r2", "min_bias", "max_bias", "slices[carrier]"},
        ),
        (
            {"predictions": np.where(CARRIER == "AA", ESTIMATES[::-1], ESTIMATES)},
            {"max_mae[carrier=AA]"},
        ),
    ],
)
def test_each_fault_of_a_model_of_numbers_fails_by_its_own_name(
    changes: dict[str, Any], expected: set[str]
) -> None:
    lenient = errors(rmse={"min": 1, "max": 30}, r2={"min": 0.3})
    assert failures(validate(replace(NUMBERS, **changes), lenient)) == expected


def test_an_error_too_small_to_be_true_is_suspected_to_leak_and_one_too_large_is_not() -> None:
    leaked = validate(replace(NUMBERS, predictions=MINUTES + 0.5), errors())
    assert "min_rmse: 0.5 minutes, expected at least 1 minutes (too good" in leaked.reason
    bad = validate(NUMBERS, errors(rmse={"max": 2}))
    assert "max_rmse" in failures(bad)
    assert "too good" not in bad.reason


def test_labels_that_do_not_vary_leave_nothing_to_explain_and_fail() -> None:
    verdict = validate(replace(NUMBERS, labels=np.full(ROWS, 40.0)), errors())
    (r2,) = (check for check in verdict.checks if check.name == "min_r2")
    assert not r2.ok
    assert r2.detail == "not measured, expected at least 0.5 (the labels are all the same)"
