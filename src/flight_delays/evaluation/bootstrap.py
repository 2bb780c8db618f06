"""Paired bootstrap: the gain of one model over another on the same rows, with its interval."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..errors import UnusableInputError
from .model_types import ModelType
from .observations import FloatArray

# Below these an interval of percentiles is too narrow.
MIN_ROWS = 30
MIN_BLOCKS = 5
MIN_RESAMPLES = 100

# Rows drawn at once: about ten megabytes, whatever the number of rows and resamples.
DRAWS = 2**20


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A challenger against an incumbent on the same rows.

    Attributes:
        loss: Name of the loss they are compared by.
        unit: Its unit, which gain and bounds have, too.
        gain: Mean loss of the incumbent minus that of the challenger: positive is better.
        low: Lower bound of the gain.
        high: Upper bound of the gain.
        resamples: How often the blocks were drawn anew.
        confidence: Share of the resampled gains between the bounds.
        rows: How many rows both predicted.
        blocks: How many blocks they fall into; as many as rows where these are independent.
        challenger_loss: Mean loss of the challenger.
        incumbent_loss: Mean loss of the incumbent.
    """

    loss: str
    unit: str
    gain: float
    low: float
    high: float
    resamples: int
    confidence: float
    rows: int
    blocks: int
    challenger_loss: float
    incumbent_loss: float


def compare(
    labels: ArrayLike,
    challenger: ArrayLike,
    incumbent: ArrayLike,
    *,
    model_type: ModelType,
    loss: str,
    blocks: ArrayLike | None = None,
    resamples: int,
    confidence: float,
    seed: int,
) -> Comparison:
    """Compare two predictions of the same rows by a paired bootstrap with percentile bounds.

    Errors of rows that share a cause, as the weather of a day, are correlated, so whole blocks are
    drawn, not single rows. The same seed gives the same bounds.

    Args:
        labels: The labels.
        challenger: The challenger's predictions.
        incumbent: Those of the champion, or of the heuristic baseline.
        model_type: The model type.
        loss: Name of the loss of that model type to compare by.
        blocks: The block of each row, as its day; None where rows are independent.
        resamples: How often to draw the blocks anew, at least 100.
        confidence: Share of the resampled gains to lie between the bounds, as 0.95.
        seed: Seed of the drawing.

    Raises:
        UnusableInputError: Labels or predictions that the model type refuses, a loss it does not
            have, fewer than 30 rows or 5 blocks, or settings out of range.
    """
    if resamples < MIN_RESAMPLES or not 0 < confidence < 1:
        raise UnusableInputError(
            "resamples and confidence",
            got=f"{resamples} and {confidence}",
            allowed=f"{MIN_RESAMPLES} or more, and a share between 0 and 1",
            remedy="Correct them in the policy.",
        )
    by = model_type.require_loss(loss)
    challenger_losses = by.of(*model_type.read(labels, challenger))
    incumbent_losses = by.of(*model_type.read(labels, incumbent))
    gains = incumbent_losses - challenger_losses
    if gains.size < MIN_ROWS:
        raise UnusableInputError(
            "labels",
            got=f"{gains.size} rows",
            allowed=f"{MIN_ROWS} or more",
            remedy="Compare on a longer held-out window.",
        )
    sums, counts = _add_up(gains, blocks)
    tail = (1 - confidence) / 2
    low, high = np.quantile(_resample_means(sums, counts, resamples, seed), [tail, 1 - tail])
    return Comparison(
        loss=by.name,
        unit=by.unit,
        gain=float(gains.mean()),
        low=float(low),
        high=float(high),
        resamples=resamples,
        confidence=confidence,
        rows=gains.size,
        blocks=sums.size,
        challenger_loss=float(challenger_losses.mean()),
        incumbent_loss=float(incumbent_losses.mean()),
    )


def _add_up(gains: FloatArray, blocks: ArrayLike | None) -> tuple[FloatArray, FloatArray]:
    """Return each block's sum of gains and its number of rows."""
    if blocks is None:
        return gains, np.ones(gains.size)
    names, members = np.unique(np.asarray(blocks), return_inverse=True)
    if members.size != gains.size or names.size < MIN_BLOCKS:
        raise UnusableInputError(
            "blocks",
            got=f"{names.size} blocks of {members.size} rows, for {gains.size} labels",
            allowed=f"{MIN_BLOCKS} blocks or more, and one name for each row",
            remedy="Compare on a longer held-out window.",
        )
    sums, counts = np.zeros(names.size), np.zeros(names.size)
    np.add.at(sums, members, gains)
    np.add.at(counts, members, 1)
    return sums, counts


def _resample_means(sums: FloatArray, counts: FloatArray, resamples: int, seed: int) -> FloatArray:
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, DRAWS // sums.size)
    for start in range(0, resamples, step):
        chunk = means[start : start + step]
        drawn = generator.integers(sums.size, size=(chunk.size, sums.size), dtype=np.int32)
        chunk[:] = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return means
