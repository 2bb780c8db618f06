"""Permutation importance, and contributions of inputs to single predictions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.inspection import permutation_importance

from .model_types import Estimator, ModelType
from .observations import FloatArray, as_vector


@dataclass(frozen=True)
class Importance:
    """Permutation importance of an input.

    Attributes:
        rise: Mean rise of the loss over the repeats; near 0 if the model does not use the input.
        spread: Standard deviation of the rise over the repeats.
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
    """Return the importance of every column of `rows`, largest first.

    `rows` have the inputs only, preferably of rows that the model was not fitted on; each column is
    shuffled `repeats` times.

    Raises:
        UnusableInputError: Invalid labels or predictions.
    """

    def score_by_loss(model: Estimator, frame: pd.DataFrame, truth: ArrayLike) -> float:
        return -model_type.mean_loss(loss, truth, model_type.clip(model.predict(frame)))

    found = permutation_importance(
        model, rows, labels, scoring=score_by_loss, n_repeats=repeats, random_state=seed
    )
    measured = zip(rows.columns, found.importances_mean, found.importances_std, strict=True)
    return sorted(
        (Importance(str(column), float(rise), float(spread)) for column, rise, spread in measured),
        key=lambda each: (-each.rise, each.column),
    )


Predict = Callable[[pd.DataFrame], ArrayLike]

# Rows per call of predict.
MIXED = 2**14


@dataclass(frozen=True, eq=False)
class Explanation:
    """Contributions of inputs; `base` plus a row's contributions is its prediction.

    Attributes:
        base: Mean prediction of the background rows.
        base_error: Its standard error; 0 for a single row.
        contributions: Contribution of each value, by row and column of `values`.
        values: The explained rows.
    """

    base: float
    base_error: float
    predictions: FloatArray
    contributions: FloatArray
    values: pd.DataFrame

    def rank(self) -> list[str]:
        """Return the columns by mean absolute contribution, largest first."""
        moved = np.abs(self.contributions).mean(axis=0)
        return [str(self.values.columns[at]) for at in np.argsort(-moved, kind="stable")]


def explain_predictions(
    predict: Predict, rows: pd.DataFrame, background: pd.DataFrame, *, seed: int
) -> Explanation:
    """Estimate Shapley values by sampling permutations of the inputs.

    For each background row, inputs are replaced by those of the explained row in a random order
    and in its reverse; the change of the prediction at a step is the input's contribution. The
    sum of contributions is exact; the split between interacting inputs is an estimate that
    improves with the number of background rows.

    The model's prediction of a row must not depend on other rows.
    """
    columns, paths = len(rows.columns), 2 * len(background)
    generator = np.random.default_rng(seed)
    drawn = np.argsort(generator.random((len(background), columns)), axis=1)
    # A path is an order of columns, from a background row to the explained one.
    orders = np.stack([drawn, drawn[:, ::-1]], axis=1).reshape(paths, columns)
    turns = np.argsort(orders, axis=1)
    taken = (turns[:, None, :] < np.arange(columns + 1)[None, :, None]).reshape(-1, columns)
    starts = np.repeat(np.arange(len(background)), 2 * (columns + 1))
    both = pd.concat([background, rows], ignore_index=True)
    predictions, contributions = np.empty(len(rows)), np.empty((len(rows), columns))
    starting = np.zeros(paths)
    together = max(1, MIXED // len(taken))
    for first in range(0, len(rows), together):
        explained = np.arange(first, min(first + together, len(rows)))
        own = np.repeat(explained + len(background), len(taken))
        from_row, others = np.tile(taken, (explained.size, 1)), np.tile(starts, explained.size)
        # By column, to keep each dtype.
        mixed = pd.DataFrame(
            {
                column: both[column].take(np.where(from_row[:, at], own, others)).array
                for at, column in enumerate(both.columns)
            }
        )
        steps = as_vector("predictions", predict(mixed)).reshape(-1, paths, columns + 1)
        predictions[explained] = steps[:, 0, -1]
        starting = steps[0, :, 0]
        # Each path has its own order of columns.
        steps_by_column = np.take_along_axis(np.diff(steps, axis=2), turns[None], axis=2)
        contributions[explained] = steps_by_column.mean(axis=1)
    # Two paths start from each background row.
    spread = starting[::2].std(ddof=1) if len(background) > 1 else 0.0
    error = float(spread / np.sqrt(len(background)))
    return Explanation(float(starting.mean()), error, predictions, contributions, rows)
