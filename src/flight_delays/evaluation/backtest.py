"""Backtest: candidates are fitted to earlier rows and validated on later ones."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import UnusableInputError

Positions = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class SplitPositions:
    """Positions of rows: those of `train` were all decided before any of `validation`."""

    train: Positions
    validation: Positions


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
