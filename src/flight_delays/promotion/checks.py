"""Checks of a model version, and its skill against a constant and the heuristic baseline."""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from ..errors import UnusableInputError
from ..evaluation.model_types import ModelType, format_figure


@dataclass(frozen=True, kw_only=True)
class Check:
    """The result of a check.

    `value` and `threshold` are None for a check without numbers; `detail` is one sentence.
    """

    name: str
    ok: bool
    value: float | None = None
    threshold: float | None = None
    detail: str


def at_least(
    name: str, value: float | None, floor: float | None, *, unit: str = "", why: str = ""
) -> Check:
    """Check that a figure is at least `floor`; a missing figure or floor fails."""
    return _bound(name, value, floor, operator.ge, "at least", unit, why)


def at_most(
    name: str, value: float | None, ceiling: float | None, *, unit: str = "", why: str = ""
) -> Check:
    """Check that a figure is at most `ceiling`; a missing figure or ceiling fails."""
    return _bound(name, value, ceiling, operator.le, "at most", unit, why)


def _bound(
    name: str,
    value: float | None,
    threshold: float | None,
    holds: Callable[[float, float], bool],
    words: str,
    unit: str,
    why: str,
) -> Check:
    found = value if is_figure(value) else None
    asked = threshold if is_figure(threshold) else None
    ok = found is not None and asked is not None and bool(holds(found, asked))
    if asked is None:
        detail = f"the policy's threshold is {threshold}; give a finite number"
    elif found is None:
        detail = f"not measured, expected {words} {format_figure(asked, unit)}"
    else:
        detail = f"{format_figure(found, unit)}, expected {words} {format_figure(asked, unit)}"
    if why and not ok:
        detail = f"{detail} ({why})"
    return Check(name=name, ok=ok, value=found, threshold=asked, detail=detail)


def is_figure(value: float | None) -> TypeGuard[float]:
    """Return whether a value is a finite number."""
    return value is not None and math.isfinite(value)


def check_skill(
    model_type: ModelType,
    loss: str,
    labels: ArrayLike,
    predictions: ArrayLike,
    *,
    training_mean: float | None,
    heuristic: ArrayLike,
    min_skill: float,
) -> tuple[Check, ...]:
    """Check that a version is better than a constant and the heuristic baseline.

    `training_mean` is the mean label of the training window, the constant; `min_skill` the minimum
    reduction of its loss, as a share.
    """
    own = measure_loss(model_type, loss, labels, predictions)
    constant = None
    if is_figure(training_mean):
        constant = measure_loss(
            model_type, loss, labels, np.full(np.shape(labels), float(training_mean))
        )
    by_heuristic = measure_loss(model_type, loss, labels, heuristic)
    skill = None if own is None or not constant else 1 - own / constant
    unit = model_type.require_loss(loss).unit
    better = own is not None and by_heuristic is not None and own < by_heuristic
    return (
        at_least(
            "skill",
            skill,
            min_skill,
            why=f"{loss} {format_figure(own, unit)}, of the training window's mean label "
            f"{format_figure(constant, unit)}",
        ),
        Check(
            name="better_than_heuristic",
            ok=better,
            value=own,
            threshold=by_heuristic,
            detail=f"{loss} {format_figure(own)}, the heuristic baseline's is "
            f"{format_figure(by_heuristic, unit)}",
        ),
    )


def measure_loss(
    model_type: ModelType, loss: str, labels: ArrayLike, predictions: ArrayLike
) -> float | None:
    """Return the mean loss; None if labels or predictions are invalid."""
    try:
        return model_type.mean_loss(loss, labels, predictions)
    except UnusableInputError:
        return None
