"""How much a model leans on each of its inputs: what it loses when one is shuffled."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .model_types import ModelType

Predict = Callable[[pd.DataFrame], ArrayLike]


@dataclass(frozen=True)
class Importance:
    """An input and what the mean loss gains when its values are shuffled among the rows.

    Attributes:
        column: The input, as it comes to the model.
        rise: The mean rise over the repeats; near 0 where the model does without it.
        spread: The standard deviation of the rise over the repeats.
    """

    column: str
    rise: float
    spread: float


def measure_importance(
    predict: Predict,
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
        predict: The model.
        rows: Its inputs and nothing else, best rows it has not learned from.
        labels: What happened.
        model_type: The model type.
        loss: Name of the loss of that model type to measure by.
        repeats: How often each column is shuffled.
        seed: Of the shuffling.

    Raises:
        UnusableInputError: Labels or predictions that the model type refuses.
    """
    by = model_type.require_loss(loss)
    generator = np.random.default_rng(seed)

    def measure(frame: pd.DataFrame) -> float:
        return float(by.of(*model_type.read(labels, model_type.clip(predict(frame)))).mean())

    usual = measure(rows)
    found = []
    for column in rows.columns:
        rises = []
        for _ in range(repeats):
            shuffled = rows[column].take(generator.permutation(len(rows)))
            rises.append(measure(rows.assign(**{column: shuffled.set_axis(rows.index)})) - usual)
        found.append(Importance(str(column), float(np.mean(rises)), float(np.std(rises))))
    return sorted(found, key=lambda each: (-each.rise, each.column))
