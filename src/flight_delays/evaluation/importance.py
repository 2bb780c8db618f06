"""Permutation importance: how much the mean loss rises when an input is shuffled."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from numpy.typing import ArrayLike
from sklearn.inspection import permutation_importance

from .model_types import Estimator, ModelType


@dataclass(frozen=True)
class Importance:
    """An input and the rise of the mean loss when its values are shuffled among the rows.

    Attributes:
        column: The input.
        rise: The mean rise over the repeats; near 0 where the model does without it.
        spread: The standard deviation of the rise over the repeats.
    """

    column: str
    rise: float
    spread: float


def measure_importance(
    model: Estimator,
    rows: pd.DataFrame,
    labels: ArrayLike,
    *,
    model_type: ModelType,
    loss: str,
    repeats: int,
    seed: int,
) -> Sequence[Importance]:
    """Return the importance of every column of `rows`, the largest first.

    Args:
        model: The fitted model.
        rows: Its inputs and nothing else, preferably of rows that it was not fitted to.
        labels: Their labels.
        model_type: The model type.
        loss: Name of the loss of that model type to measure by.
        repeats: How often each column is shuffled.
        seed: Of the shuffling.

    Raises:
        UnusableInputError: Labels or predictions that the model type refuses.
    """
    by = model_type.require_loss(loss)

    def score_by_loss(model: Estimator, frame: pd.DataFrame, truth: ArrayLike) -> float:
        predictions = model_type.clip(model.predict(frame))
        return -float(by.of(*model_type.read(truth, predictions)).mean())

    found = permutation_importance(
        model, rows, labels, scoring=score_by_loss, n_repeats=repeats, random_state=seed
    )
    measured = zip(rows.columns, found.importances_mean, found.importances_std, strict=True)
    return sorted(
        (Importance(str(column), float(rise), float(spread)) for column, rise, spread in measured),
        key=lambda each: (-each.rise, each.column),
    )
