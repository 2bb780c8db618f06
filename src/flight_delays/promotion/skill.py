"""Whether a version predicts better than what needs no model."""

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
    """Return whether a version is better than a constant and than the heuristic baseline.

    Args:
        model_type: What it predicts.
        loss: The loss to measure by.
        labels: The labels of the held-out rows.
        predictions: Its predictions of them.
        training_mean: The mean label of its training window.
        heuristic: The predictions of the heuristic baseline.
        min_skill: The least share of the constant's loss that it saves.
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
    """Return the mean loss; None where labels or predictions cannot be used."""
    try:
        rows = model_type.read(labels, predictions)
    except UnusableInputError:
        return None
    return float(model_type.require_loss(loss).of(*rows).mean())
