"""The validation gate of a trained version."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..config.policy import Bounds, Slices, ValidationPolicy
from ..errors import UnusableInputError
from ..evaluation.availability import MIN_ROWS, Availability
from ..evaluation.model_types import Metric, ModelType
from ..evaluation.observations import FloatArray, as_labels, as_vector
from ..evaluation.slices import locate_rows, name_values
from .behaviour import TOLERANCE
from .checks import Check, at_least, at_most
from .decide import Failed, Passed, Verdict
from .slices import check_first_gaps
from .wording import find_description_flaw, find_value_flaw

UNUSABLE = "labels or predictions cannot be used"
LEAK = "too good to be true: look for a feature known too late"
# Type of the one output that a signature names.
OUTPUT = "double"


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """The inputs of a validation.

    Attributes:
        slices: Values of each slice column for the same rows.
        days: The local day of each row.
        has_champion: Whether there is a Champion; deploy then compares by slice.
        places: Further columns of the same rows, to describe where predictions are missing.
        served_difference: Largest difference (see `largest_difference`) between these predictions
            and those of the served form; None if it was not measured.
        availability: Whether the inputs are available before the label.
        signature_outputs: Types of the outputs in the signature.
    """

    model_type: ModelType
    labels: ArrayLike
    predictions: ArrayLike
    slices: Mapping[str, ArrayLike]
    days: ArrayLike
    has_champion: bool
    places: Mapping[str, ArrayLike] = field(default_factory=dict)
    served_difference: float | None
    availability: Availability
    signature_inputs: bool
    signature_outputs: Sequence[str]
    description: str | None
    tags: Mapping[str, str]


def validate(
    evidence: Evidence,
    policy: ValidationPolicy,
    further: Sequence[Check] = (),
    *,
    confidence: float,
) -> Verdict:
    """Return the verdict on a version.

    All checks run, in order of importance: validity of the data, metrics, metadata. A value that
    cannot be measured fails its check.

    `further` checks are listed first; `confidence` is that of significance tests.

    Raises:
        UnusableInputError: The policy names an unknown metric.
    """
    observed = _observe(evidence)
    checks = (
        *further,
        *_check_observations(evidence, policy),
        _check_availability(evidence.availability),
        *_check_metrics(evidence.model_type, observed, policy),
        *_check_slices(evidence, policy.slices, observed, confidence),
        *_check_metadata(evidence, policy),
    )
    failed = [check for check in checks if not check.ok]
    if failed:
        return Failed(f"{len(failed)} of {len(checks)} checks failed: {_list(failed)}", checks)
    return Passed(f"all {len(checks)} checks hold", checks)


def _list(failed: Sequence[Check]) -> str:
    """Describe the failed checks; those not measured are only counted if there are others."""
    missing = [check for check in failed if check.value is None and check.threshold is not None]
    known = [check for check in failed if check not in missing]
    if not known:
        known, missing = missing, []
    words = [f"{check.name}: {check.detail}" for check in known]
    return "; ".join([*words, f"{len(missing)} more not measured"] if missing else words)


def _observe(evidence: Evidence) -> tuple[FloatArray, FloatArray] | None:
    try:
        return evidence.model_type.read(evidence.labels, evidence.predictions)
    except UnusableInputError:
        return None  # _check_observations lists what is wrong with them


def _check_observations(evidence: Evidence, policy: ValidationPolicy) -> Iterator[Check]:
    model_type = evidence.model_type
    rows: int | None = None
    try:
        rows = as_labels(evidence.labels, model_type.labels).size
    except UnusableInputError as error:
        yield Check(name="labels", ok=False, detail=str(error))
    else:
        yield Check(name="labels", ok=True, detail=f"each is a label of {model_type.name}")

    missing: int | None = None
    where = ""
    impossible: int | None = None
    spread: float | None = None
    try:
        predictions = as_vector("predictions", evidence.predictions)
    except UnusableInputError as error:
        yield Check(name="predictions", ok=False, detail=str(error))
    else:
        finite = predictions[np.isfinite(predictions)]
        missing = predictions.size - finite.size
        if missing:
            where = f", {_locate(~np.isfinite(predictions), evidence)}"
        impossible = int(((finite < model_type.lowest) | (finite > model_type.highest)).sum())
        spread = float(np.ptp(finite)) if finite.size else None
        labels = "unusable" if rows is None else f"{rows:,}"
        yield Check(
            name="predictions",
            ok=predictions.size == rows,
            value=predictions.size,
            threshold=rows,
            detail=f"{predictions.size:,} predictions for {labels} labels",
        )
    yield at_most("missing_predictions", missing, 0, why=f"NaN or infinite{where}")
    outside = f"outside {model_type.lowest:g} to {model_type.highest:g}"
    yield at_most("impossible_predictions", impossible, 0, why=outside)
    yield at_least("prediction_spread", spread, TOLERANCE, why="predictions are constant")
    yield at_most(
        "served_difference",
        evidence.served_difference,
        TOLERANCE,
        why="served and direct predictions must agree",
    )
    yield at_least("rows", rows, policy.min_rows)


def _locate(missing: NDArray[np.bool_], evidence: Evidence) -> str:
    return locate_rows(missing, {**evidence.places, **evidence.slices})


def _check_availability(found: Availability) -> Check:
    detail = f"each input is present as often on {found.compared:,} rows without a known label"
    if not found.compared:
        detail = (
            f"not tried: {found.rows:,} rows have no known label; {MIN_ROWS} are needed, decided "
            "at the hours of labelled ones"
        )
    if found.missing:
        shares = "; ".join(
            f"{each.column} is missing on {each.open_share:.0%}, else on {each.labelled_share:.0%}"
            for each in found.missing
        )
        detail = f"of {found.compared:,} rows without a known label {shares}"
    return Check(
        name="availability",
        ok=not found.missing,
        value=len(found.missing),
        threshold=0,
        detail=detail,
    )


def _check_metadata(evidence: Evidence, policy: ValidationPolicy) -> Iterator[Check]:
    present = evidence.signature_inputs is True
    yield Check(name="signature_inputs", ok=present, detail="present" if present else "missing")
    outputs = ", ".join(evidence.signature_outputs)
    one = outputs == OUTPUT
    said = outputs if one else f"{outputs or 'missing'}; expected: one output of type {OUTPUT}"
    yield Check(name="signature_outputs", ok=one, detail=said)
    yield at_least(
        "description_length",
        len((evidence.description or "").strip()),
        policy.min_description,
        why="describe what the model predicts, from what, for whom",
    )
    yield _check_wording(
        "description",
        evidence.description,
        find_description_flaw(evidence.description),
        "what the model predicts, from what, for whom, in any language",
    )
    for tag in policy.required_tags:
        text = evidence.tags.get(tag)
        if text is None:
            yield Check(name=f"tag[{tag}]", ok=False, detail="missing")
        else:
            allowed = "a value that says something, such as a commit, an instant or an owner"
            yield _check_wording(f"tag[{tag}]", text, find_value_flaw(text), allowed)


def _check_wording(name: str, text: str | None, flaw: str | None, allowed: str) -> Check:
    shown = f"{text[:40]!r}" if text else "nothing"
    detail = "says something" if flaw is None else f"{shown} {flaw}; allowed: {allowed}"
    return Check(name=name, ok=flaw is None, detail=detail)


def _check_metrics(
    model_type: ModelType, observed: tuple[FloatArray, FloatArray] | None, policy: ValidationPolicy
) -> Iterator[Check]:
    for name, bounds in policy.metrics.items():
        metric = model_type.require_metric(name)
        figure = metric.of(*observed) if observed else None
        absent = metric.absent if observed else UNUSABLE
        yield from _hold(metric, figure, bounds, "" if figure is not None else absent)


def _hold(
    metric: Metric, figure: float | None, bounds: Bounds, why: str, slice_name: str = ""
) -> Iterator[Check]:
    """Check a figure against each bound; names are like `min_auc`, `max_auc[carrier=AA]`."""
    for side, bound in bounds.sides.items():
        hold = at_least if side == "min" else at_most
        reason = why or (LEAK if metric.is_too_good_beyond(side) else "")
        yield hold(f"{side}_{metric.name}{slice_name}", figure, bound, unit=metric.unit, why=reason)


def _check_slices(
    evidence: Evidence,
    policy: Slices | None,
    observed: tuple[FloatArray, FloatArray] | None,
    confidence: float,
) -> Iterator[Check]:
    if policy is None:
        return
    metric = evidence.model_type.require_metric(policy.metric)
    usable = {}
    for column in policy.columns:
        values = evidence.slices.get(column)
        if observed is None:
            flaw = f"not measured ({UNUSABLE})"
        elif values is None:
            flaw = f"no such column; there are: {', '.join(evidence.slices) or 'none'}"
        elif np.shape(values) != observed[0].shape:
            flaw = f"values of shape {np.shape(values)} for {observed[0].size:,} rows"
        else:
            usable[column] = values
            yield from _check_column(column, values, metric, policy, *observed)
            continue
        yield Check(name=f"slices[{column}]", ok=False, detail=flaw)
    if observed is not None and not evidence.has_champion:
        yield from check_first_gaps(*observed, usable, evidence.days, policy, confidence)


def _check_column(
    column: str,
    values: ArrayLike,
    metric: Metric,
    policy: Slices,
    labels: FloatArray,
    predictions: FloatArray,
) -> Iterator[Check]:
    names = name_values(values)
    sizes = names.value_counts().sort_index()
    judged = sizes[sizes >= policy.min_rows]
    yield Check(
        name=f"slices[{column}]",
        ok=len(judged) > 0,
        value=len(judged),
        threshold=1,
        detail=f"{len(judged)} of {len(sizes)} slices have {policy.min_rows:,} rows or more",
    )
    for value in judged.index:
        rows = (names == value).to_numpy()
        figure = metric.of(labels[rows], predictions[rows])
        why = metric.absent if figure is None else f"{rows.sum():,} rows"
        yield from _hold(metric, figure, policy, why, f"[{column}={value}]")
