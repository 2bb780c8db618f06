"""The gate lets a sound version pass, and each fault fails by its own name."""

from dataclasses import fields, replace
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from flight_delays.lifecycle import (
    Evidence,
    Failed,
    Passed,
    ValidationPolicy,
    Verdict,
    judge,
)

ROWS = 6000
RANDOM = np.random.default_rng(11)
CHANCE: NDArray[np.float64] = RANDOM.beta(1, 3, ROWS)
LABELS = (RANDOM.random(ROWS) < CHANCE).astype(np.int64)
CARRIER = np.resize(np.repeat(["AA", "DL", "UA"], [1, 4, 5]), ROWS)

POLICY = ValidationPolicy(
    min_rows=1000,
    max_log_loss=0.6,
    min_auc=0.65,
    max_auc=0.95,
    max_calibration_error=0.05,
    slice_columns=("carrier", "origin"),
    slice_min_rows=500,
    slice_min_auc=0.6,
    required_tags=("git_commit", "as_of"),
    min_description=20,
)
SOUND = Evidence(
    labels=LABELS,
    predictions=CHANCE,
    slices={"carrier": CARRIER, "origin": np.repeat(["JFK", "EWR"], ROWS // 2)},
    served_difference=0.0,
    signature_inputs=True,
    signature_outputs=True,
    description="Chance that a flight arrives late.",
    tags={"git_commit": "0a1b2c3", "as_of": "2013-11-01"},
)


def poison(values: NDArray[Any], row: int, value: float) -> NDArray[np.float64]:
    changed = values.astype(np.float64)
    changed[row] = value
    return changed


def failures(verdict: Verdict) -> set[str]:
    return {check.name for check in verdict.checks if not check.ok}


def test_a_sound_version_passes_and_every_check_is_listed() -> None:
    verdict = judge(SOUND, POLICY)
    assert isinstance(verdict, Passed)
    assert [check.name for check in verdict.checks] == [
        "labels",
        "rows",
        "predictions",
        "missing_predictions",
        "impossible_predictions",
        "prediction_spread",
        "served_difference",
        "signature_inputs",
        "signature_outputs",
        "description_length",
        "tag[git_commit]",
        "tag[as_of]",
        "auc",
        "auc_ceiling",
        "log_loss",
        "calibration_error",
        "slices[carrier]",
        "auc[carrier=AA]",
        "auc[carrier=DL]",
        "auc[carrier=UA]",
        "slices[origin]",
        "auc[origin=EWR]",
        "auc[origin=JFK]",
    ]
    assert verdict.reason == "all 23 checks hold"
    assert [check.detail for check in verdict.checks if "(" in check.detail] == []


MEASURED = {"auc", "auc_ceiling", "log_loss", "calibration_error"}
SLICED = {"slices[carrier]", "slices[origin]"}
MIXED_UP = CHANCE.copy()
MIXED_UP[CARRIER == "AA"] = RANDOM.permutation(CHANCE[CARRIER == "AA"])
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
            {"prediction_spread", "auc"}
            | {f"auc[carrier={name}]" for name in ("AA", "DL", "UA")}
            | {"auc[origin=EWR]", "auc[origin=JFK]"},
        ),
        ({"labels": poison(LABELS, 3, nan)}, {"labels", "rows", "predictions"} | MEASURED | SLICED),
        ({"labels": poison(LABELS, 3, 2)}, {"labels", "rows", "predictions"} | MEASURED | SLICED),
        ({"labels": []}, {"labels", "rows", "predictions"} | MEASURED | SLICED),
        ({"predictions": MIXED_UP}, {"auc[carrier=AA]"}),
        ({"labels": ONE_CLASS}, {"auc[carrier=AA]"}),
        ({"served_difference": 2e-6}, {"served_difference"}),
        ({"served_difference": nan}, {"served_difference"}),
        ({"served_difference": None}, {"served_difference"}),
        ({"signature_inputs": False}, {"signature_inputs"}),
        ({"signature_outputs": False}, {"signature_outputs"}),
        ({"signature_outputs": None}, {"signature_outputs"}),
        ({"description": None}, {"description_length"}),
        ({"description": "   " * 20}, {"description_length"}),
        ({"description": "Too short."}, {"description_length"}),
        ({"tags": {}}, {"tag[git_commit]", "tag[as_of]"}),
        ({"tags": {"git_commit": "0a1b2c3", "as_of": " "}}, {"tag[as_of]"}),
        ({"tags": {"git_commit": "0a1b2c3", "as_of": None}}, {"tag[as_of]"}),
        ({"slices": {"carrier": CARRIER}}, {"slices[origin]"}),
        ({"slices": {"carrier": CARRIER, "origin": ["JFK"]}}, {"slices[origin]"}),
        ({"slices": {"carrier": CARRIER, "origin": ["JFK"] * 9000}}, {"slices[origin]"}),
        ({"slices": {"carrier": CARRIER, "origin": np.arange(ROWS)}}, {"slices[origin]"}),
    ],
)
def test_each_fault_fails_by_its_own_name(changes: dict[str, Any], expected: set[str]) -> None:
    verdict = judge(replace(SOUND, **changes), POLICY)
    assert isinstance(verdict, Failed)
    assert failures(verdict) == expected


def test_a_version_that_knows_the_answer_is_too_good_to_be_true() -> None:
    leaked = 0.1 + 0.8 * LABELS + np.linspace(0, 0.05, ROWS)
    verdict = judge(replace(SOUND, predictions=leaked), replace(POLICY, max_calibration_error=1))
    assert failures(verdict) == {"auc_ceiling"}
    assert "too good to be true" in verdict.reason


def test_shuffled_labels_fail() -> None:
    shuffled = np.random.default_rng(1).permutation(LABELS)
    verdict = judge(replace(SOUND, labels=shuffled), POLICY)
    assert isinstance(verdict, Failed)
    assert "auc" in failures(verdict)


def test_one_class_on_all_rows_has_no_auc_and_fails() -> None:
    verdict = judge(replace(SOUND, labels=np.zeros(ROWS)), POLICY)
    assert {"auc", "auc_ceiling", "auc[carrier=AA]"} <= failures(verdict)
    (auc,) = (check for check in verdict.checks if check.name == "auc")
    assert auc.value is None
    assert auc.detail == ("not measured, at least 0.65 is asked (one class only among the labels)")


@pytest.mark.parametrize("value", [None, nan, inf, -inf])
@pytest.mark.parametrize(
    "name", [field.name for field in fields(ValidationPolicy) if field.type in (int, float)]
)
def test_a_threshold_that_is_no_figure_fails(name: str, value: Any) -> None:
    verdict = judge(SOUND, replace(POLICY, **{name: value}))
    assert isinstance(verdict, Failed)
    assert all(str(value) in c.detail or c.ok for c in verdict.checks)


@pytest.mark.parametrize("value", [None, ()])
@pytest.mark.parametrize(
    ("name", "check"), [("slice_columns", "slices"), ("required_tags", "tags")]
)
def test_a_policy_that_asks_for_nothing_fails(name: str, check: str, value: Any) -> None:
    assert failures(judge(SOUND, replace(POLICY, **{name: value}))) == {check}


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"min_rows": ROWS + 1}, "rows"),
        ({"min_auc": 0.94}, "auc"),
        ({"max_auc": 0.66}, "auc_ceiling"),
        ({"max_log_loss": 0.1}, "log_loss"),
        ({"max_calibration_error": 0.0}, "calibration_error"),
        ({"min_description": 100}, "description_length"),
        ({"slice_columns": ("carrier",), "slice_min_rows": ROWS}, "slices[carrier]"),
        ({"required_tags": ("owner",)}, "tag[owner]"),
    ],
)
def test_each_threshold_is_held(changes: dict[str, Any], check: str) -> None:
    assert failures(judge(SOUND, replace(POLICY, **changes))) == {check}


def test_a_figure_that_meets_its_threshold_exactly_holds() -> None:
    (auc,) = (c for c in judge(SOUND, POLICY).checks if c.name == "auc")
    assert auc.value is not None
    edge = replace(POLICY, min_rows=ROWS, min_auc=auc.value, max_auc=auc.value)
    assert isinstance(judge(SOUND, edge), Passed)


def test_small_slices_are_counted_but_not_judged() -> None:
    carrier = CARRIER.astype(object)
    carrier[:499] = "F9"
    mixed = replace(SOUND, slices={**SOUND.slices, "carrier": carrier})
    verdict = judge(mixed, POLICY)
    details = {check.name: check.detail for check in verdict.checks}
    assert details["slices[carrier]"] == "3 of 4 slices have 500 rows or more"
    assert "auc[carrier=F9]" not in details
    assert "auc[carrier=F9]" in {
        check.name for check in judge(mixed, replace(POLICY, slice_min_rows=499)).checks
    }


@pytest.mark.parametrize("missing", [None, nan])
def test_rows_without_a_slice_value_are_a_slice_of_their_own(missing: Any) -> None:
    origin = np.repeat(np.array(["JFK", missing], dtype=object), ROWS // 2)
    verdict = judge(replace(SOUND, slices={**SOUND.slices, "origin": origin}), POLICY)
    assert "auc[origin=missing]" in {check.name for check in verdict.checks}


def test_a_blank_description_fails_even_where_none_is_asked() -> None:
    verdict = judge(replace(SOUND, description=" "), replace(POLICY, min_description=0))
    assert failures(verdict) == {"description_length"}


def test_the_reason_of_a_failure_says_what_was_found_and_asked() -> None:
    verdict = judge(SOUND, replace(POLICY, min_rows=ROWS + 1))
    assert verdict.reason == "1 of 23 checks failed: rows: 6,000, at least 6,001 is asked"


def test_a_long_list_of_failures_still_fits_into_a_tag() -> None:
    columns = tuple(f"column_{number}" for number in range(60))
    verdict = judge(SOUND, replace(POLICY, slice_columns=columns))
    assert len(failures(verdict)) == 60
    assert len(verdict.reason) == 1000
    assert verdict.reason.startswith("60 of 76 checks failed: slices[column_0]: no such column")
