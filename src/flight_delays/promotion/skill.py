"""Checks against a constant prediction and the heuristic baseline."""

import numpy as np
from numpy.typing import ArrayLike

from ..errors import UnusableInputError
from ..evaluation.model_types import ModelType, format_figure
from .checks import Check, at_least, is_figure


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

    Args:
        model_type: The model type.
        loss: Name of one of its losses.
        labels: Labels of the held-out rows.
        predictions: The version's predictions.
        training_mean: Mean label of its training window, the constant.
        heuristic: Predictions of the heuristic baseline.
        min_skill: Minimum reduction of the constant's loss, as a share.
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
        rows = model_type.read(labels, predictions)
    except UnusableInputError:
        return None
    return float(model_type.require_loss(loss).of(*rows).mean())
