"""Backtest: candidates are fitted to earlier rows and validated on later ones."""

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
    """Positions of rows: those of `train` were all decided before any of `validation`."""

    train: Positions
    validation: Positions


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A candidate's results.

    Attributes:
        name: Its name.
        loss: Its mean loss, by which candidates are ranked.
        figures: Its metrics, as far as these labels allow them.
        predictions: Its predictions for the validation rows.
    """

    name: str
    loss: float
    figures: Mapping[str, float]
    predictions: FloatArray


def measure_candidate(
    name: str, labels: ArrayLike, predictions: ArrayLike, model_type: ModelType, loss: str
) -> Candidate:
    """Measure predictions for the validation rows; impossible ones are clipped.

    Raises:
        UnusableInputError: Labels or predictions that the model type refuses, or an unknown loss.
    """
    truth, predicted = model_type.read(labels, model_type.clip(predictions))
    measured = model_type.measure(truth, predicted)
    return Candidate(
        name=name,
        loss=float(model_type.require_loss(loss).of(truth, predicted).mean()),
        figures={name: value for name, value in measured.items() if value is not None},
        predictions=predicted,
    )


def split_by_time(
    decided_at: ArrayLike, *, share: float, max_rows: int, seed: int
) -> SplitPositions:
    """Divide the rows of a training window by the time they were decided.

    Args:
        decided_at: When each row was decided, in any order.
        share: Share of the rows, the latest, to validate on.
        max_rows: Rows to use at most, sampled from all of the window.
        seed: Seed of the sample.

    Raises:
        UnusableInputError: All rows were decided at once, so that none is later than others.
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
    """Return the positions of all rows, or of a sample of `most`, in their order."""
    if rows <= most:
        return np.arange(rows)
    sample = np.random.default_rng(seed).choice(rows, size=most, replace=False)
    return np.sort(sample)
