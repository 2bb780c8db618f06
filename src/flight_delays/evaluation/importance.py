"""Permutation importance: how much the mean loss rises when an input is shuffled."""

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


Predict = Callable[[pd.DataFrame], ArrayLike]

# Rows that are predicted at once.
MIXED = 2**14


@dataclass(frozen=True, eq=False)
class Explanation:
    """Predictions, taken apart: `base` and a row's contributions add up to its prediction.

    Attributes:
        base: The mean prediction of the rows that the others are compared with.
        base_error: Its standard error; 0 where it is of one row.
        predictions: What the model predicts.
        contributions: By row and column of `values`, what the value adds.
        values: The explained rows.
    """

    base: float
    base_error: float
    predictions: FloatArray
    contributions: FloatArray
    values: pd.DataFrame

    def rank(self) -> list[str]:
        """Return the columns, first the one that moves predictions most."""
        moved = np.abs(self.contributions).mean(axis=0)
        return [str(self.values.columns[at]) for at in np.argsort(-moved, kind="stable")]


def explain_predictions(
    predict: Predict, rows: pd.DataFrame, background: pd.DataFrame, *, seed: int
) -> Explanation:
    """Take predictions apart by turning background rows into the explained one, input by input.

    For each background row inputs are taken over in a drawn order, and in that order backwards;
    what the prediction changes at a step is what the input adds there. Whatever the orders, the
    steps lead from the background's prediction to the row's own, so sums are exact; shares between
    inputs that act together are estimates, the better the more background rows there are.

    Args:
        predict: The model, whose prediction of a row depends on that row alone.
        rows: The rows to explain; its inputs and nothing else.
        background: The rows to compare with, of the same columns.
        seed: Of the orders.
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
        # Taken column by column, so that each keeps its type.
        mixed = pd.DataFrame(
            {
                column: both[column].take(np.where(from_row[:, at], own, others)).array
                for at, column in enumerate(both.columns)
            }
        )
        steps = as_vector("predictions", predict(mixed)).reshape(-1, paths, columns + 1)
        predictions[explained] = steps[:, 0, -1]
        starting = steps[0, :, 0]
        # Each path adds its steps in an order of its own.
        steps_by_column = np.take_along_axis(np.diff(steps, axis=2), turns[None], axis=2)
        contributions[explained] = steps_by_column.mean(axis=1)
    # A background row begins two paths.
    spread = starting[::2].std(ddof=1) if len(background) > 1 else 0.0
    error = float(spread / np.sqrt(len(background)))
    return Explanation(float(starting.mean()), error, predictions, contributions, rows)
