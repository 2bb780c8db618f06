"""Backtest: fit candidates on earlier rows and validate them on later ones."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UnusableInputError
from .model_types import ModelType
from .observations import FloatArray

Positions = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class SplitPositions:
    """Row positions; every row of `train` was decided before any row of `validation`."""

    train: Positions
    validation: Positions


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A candidate's results.

    Attributes:
        loss: Its mean loss, the ranking criterion.
        figures: The metrics that can be computed from these labels.
        predictions: Its predictions for the validation rows.
    """

    name: str
    loss: float
    figures: Mapping[str, float]
    predictions: FloatArray


def measure_candidate(
    name: str, labels: ArrayLike, predictions: ArrayLike, model_type: ModelType, loss: str
) -> Candidate:
    """Return loss and metrics of predictions for the validation rows, clipped to valid values.

    Raises:
        UnusableInputError: Invalid labels or predictions, or an unknown loss.
    """
    truth, predicted = model_type.read(labels, model_type.clip(predictions))
    measured = model_type.measure(truth, predicted)
    return Candidate(
        name=name,
        loss=model_type.mean_loss(loss, truth, predicted),
        figures={name: value for name, value in measured.items() if value is not None},
        predictions=predicted,
    )


def split_by_time(
    decided_at: ArrayLike, *, share: float, max_rows: int, seed: int
) -> SplitPositions:
    """Split the rows of a training window by decision time.

    The latest `share` of the rows, in any order, is to validate on. Of more than `max_rows` rows, a
    sample of the whole window is split.

    Raises:
        UnusableInputError: All rows have the same decision time.
    """
    instants = np.asarray(decided_at, dtype="datetime64[ns]")
    sample = sample_rows(instants.size, max_rows, seed)
    times = instants[sample]
    cut = np.sort(times)[int(times.size * (1 - share))] if times.size else None
    train, validation = sample[times < cut], sample[times >= cut]
    if not train.size:
        raise UnusableInputError(
            "rows to try candidates on",
            got=f"{times.size:,} rows, none decided before the latest {share:.0%}",
            allowed="rows of several instants",
            remedy="Train on a longer window, or set a smaller backtest.share in "
            "conf/training.yml.",
        )
    return SplitPositions(train, validation)


def sample_rows(rows: int, most: int, seed: int) -> Positions:
    """Return the sorted positions of all rows, or of a sample of `most` rows."""
    if rows <= most:
        return np.arange(rows)
    sample = np.random.default_rng(seed).choice(rows, size=most, replace=False)
    return np.sort(sample)
