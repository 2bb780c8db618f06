"""Whether a trained version may become a challenger."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .checks import Check, at_least, at_most, is_figure
from .decisions import Failed, Passed, Verdict
from .errors import UnusableInputError
from .metrics import Metrics, area_under_curve, measure
from .observations import FloatArray, as_labels, as_probabilities, as_vector

# Predictions closer than this count as the same: what JSON and a cast or two may change.
TOLERANCE = 1e-6

UNUSABLE = "labels or predictions cannot be used"
ONE_CLASS = "one class only among the labels"


@dataclass(frozen=True, kw_only=True)
class ValidationPolicy:
    """What a version is held to. A threshold that is None or not finite fails its check.

    Attributes:
        min_rows: Fewest held-out rows.
        max_log_loss: Ceiling of the mean log loss, in nats.
        min_auc: Floor of the AUC.
        max_auc: Ceiling of the AUC: above it a leak is suspected.
        max_calibration_error: Ceiling of the expected calibration error.
        slice_columns: Columns whose values are each held to `slice_min_auc`; at least one.
        slice_min_rows: Fewest rows for a value to count as a slice; each column needs one slice.
        slice_min_auc: Floor of the AUC of each slice.
        required_tags: Tags that the version must carry, not blank; at least one.
        min_description: Fewest characters of the description; one is always asked.
    """

    min_rows: int
    max_log_loss: float
    min_auc: float
    max_auc: float
    max_calibration_error: float
    slice_columns: Sequence[str]
    slice_min_rows: int
    slice_min_auc: float
    required_tags: Sequence[str]
    min_description: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What is known of a version before it is judged.

    Attributes:
        labels: What happened on the held-out rows, 0 or 1.
        predictions: Predicted probabilities of label 1 for the same rows.
        slices: Column to its values for the same rows.
        served_difference: Largest absolute difference between these predictions and those made in
            the form that is served (see `largest_difference`); None where it was not tried.
        signature_inputs: Whether the signature names inputs.
        signature_outputs: Whether the signature names outputs.
        description: The version's description.
        tags: The version's tags.
    """

    labels: ArrayLike
    predictions: ArrayLike
    slices: Mapping[str, ArrayLike]
    served_difference: float | None
    signature_inputs: bool
    signature_outputs: bool
    description: str | None
    tags: Mapping[str, str]


def judge(evidence: Evidence, policy: ValidationPolicy) -> Verdict:
    """Hold the evidence against the policy.

    Every check is made and listed, whatever the others say. What cannot be measured fails.
    """
    observed = _observe(evidence)
    metrics = measure(*observed) if observed else None
    checks = (
        *_check_observations(evidence, policy),
        *_check_metadata(evidence, policy),
        *_check_metrics(metrics, policy),
        *_check_slices(evidence, policy, observed),
    )
    failures = [f"{check.name}: {check.detail}" for check in checks if not check.ok]
    if failures:
        reason = f"{len(failures)} of {len(checks)} checks failed: {'; '.join(failures)}"
        return Failed(reason, checks)
    return Passed(f"all {len(checks)} checks hold", checks)


def _observe(evidence: Evidence) -> tuple[FloatArray, FloatArray] | None:
    try:
        labels = as_labels(evidence.labels)
        return labels, as_probabilities("predictions", evidence.predictions, rows=labels.size)
    except UnusableInputError:
        return None  # _check_observations lists what is wrong with them


def _check_observations(evidence: Evidence, policy: ValidationPolicy) -> Iterator[Check]:
    rows: int | None = None
    try:
        rows = as_labels(evidence.labels).size
    except UnusableInputError as error:
        yield Check(name="labels", ok=False, detail=str(error))
    else:
        yield Check(name="labels", ok=True, detail="each is 0 or 1")
    yield at_least("rows", rows, policy.min_rows)

    missing: int | None = None
    impossible: int | None = None
    spread: float | None = None
    try:
        predictions = as_vector("predictions", evidence.predictions)
    except UnusableInputError as error:
        yield Check(name="predictions", ok=False, detail=str(error))
    else:
        finite = predictions[np.isfinite(predictions)]
        missing = predictions.size - finite.size
        impossible = int(((finite < 0) | (finite > 1)).sum())
        spread = float(np.ptp(finite)) if finite.size else None
        yield Check(
            name="predictions",
            ok=predictions.size == rows,
            value=predictions.size,
            threshold=rows,
            detail=f"{predictions.size:,} predictions for {rows or 'unusable'} labels",
        )
    yield at_most("missing_predictions", missing, 0, why="NaN or infinite")
    yield at_most("impossible_predictions", impossible, 0, why="outside 0 to 1")
    yield at_least("prediction_spread", spread, TOLERANCE, why="a constant tells rows not apart")
    yield at_most(
        "served_difference",
        evidence.served_difference,
        TOLERANCE,
        why="served and direct predictions must agree",
    )


def _check_metadata(evidence: Evidence, policy: ValidationPolicy) -> Iterator[Check]:
    for name, present in (
        ("signature_inputs", evidence.signature_inputs),
        ("signature_outputs", evidence.signature_outputs),
    ):
        ok = present is True
        yield Check(name=name, ok=ok, detail="present" if ok else f"missing, got {present!r}")
    asked = policy.min_description
    yield at_least(
        "description_length",
        len((evidence.description or "").strip()),
        max(asked, 1) if is_figure(asked) else asked,
        why="describe what the model predicts, from what, for whom",
    )
    if not policy.required_tags:
        yield Check(name="tags", ok=False, detail="the policy requires none; name at least one")
    for tag in policy.required_tags or ():
        present = bool((evidence.tags.get(tag) or "").strip())
        yield Check(name=f"tag[{tag}]", ok=present, detail="present" if present else "missing")


def _check_metrics(metrics: Metrics | None, policy: ValidationPolicy) -> Iterator[Check]:
    auc = metrics.auc if metrics else None
    absent = ONE_CLASS if metrics else UNUSABLE
    leak = "too good to be true: look for a feature known too late"
    yield at_least("auc", auc, policy.min_auc, why=absent if auc is None else "")
    yield at_most("auc_ceiling", auc, policy.max_auc, why=absent if auc is None else leak)
    loss = metrics.log_loss if metrics else None
    yield at_most("log_loss", loss, policy.max_log_loss, why="" if metrics else UNUSABLE)
    error = metrics.calibration_error if metrics else None
    ceiling = policy.max_calibration_error
    yield at_most("calibration_error", error, ceiling, why="" if metrics else UNUSABLE)


def _check_slices(
    evidence: Evidence,
    policy: ValidationPolicy,
    observed: tuple[FloatArray, FloatArray] | None,
) -> Iterator[Check]:
    if not policy.slice_columns:
        yield Check(name="slices", ok=False, detail="the policy names none; name at least one")
    for column in policy.slice_columns or ():
        values = evidence.slices.get(column)
        if observed is None:
            flaw = f"not measured ({UNUSABLE})"
        elif values is None:
            flaw = f"no such column; there are: {', '.join(evidence.slices) or 'none'}"
        elif np.shape(values) != observed[0].shape:
            flaw = f"values of shape {np.shape(values)} for {observed[0].size:,} rows"
        elif not is_figure(policy.slice_min_rows):
            flaw = f"the policy's slice_min_rows is {policy.slice_min_rows}"
        else:
            yield from _check_column(column, values, policy, *observed)
            continue
        yield Check(name=f"slices[{column}]", ok=False, detail=flaw)


def _check_column(
    column: str,
    values: ArrayLike,
    policy: ValidationPolicy,
    labels: FloatArray,
    predictions: FloatArray,
) -> Iterator[Check]:
    raw = pd.Series(np.asarray(values, dtype=object))
    names = raw.where(raw.notna(), "missing").astype(str)
    sizes = names.value_counts().sort_index()
    judged = sizes[sizes >= policy.slice_min_rows]
    yield Check(
        name=f"slices[{column}]",
        ok=len(judged) > 0,
        value=len(judged),
        threshold=1,
        detail=f"{len(judged)} of {len(sizes)} slices have {policy.slice_min_rows:,} rows or more",
    )
    for value in judged.index:
        rows = (names == value).to_numpy()
        auc = area_under_curve(labels[rows], predictions[rows])
        yield at_least(
            f"auc[{column}={value}]",
            auc,
            policy.slice_min_auc,
            why=ONE_CLASS if auc is None else f"{rows.sum():,} rows",
        )
