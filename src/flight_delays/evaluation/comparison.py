"""Two models on the same rows: the gain of one over the other, with its interval."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ..errors import UnusableInputError
from .model_types import ModelType
from .observations import FloatArray

# Fewer rows say nothing, whatever their blocks.
MIN_ROWS = 30


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A challenger against an incumbent on the same rows.

    Attributes:
        loss: Name of the loss they are compared by.
        unit: Its unit, which gain and bounds have, too.
        gain: Mean loss of the incumbent minus that of the challenger: positive is better.
        low: Lower bound of the gain.
        high: Upper bound of the gain.
        confidence: How often an interval made in this way has the true gain in it.
        rows: How many rows both predicted.
        blocks: How many blocks they fall into, as days.
        wins: In how many of them the challenger's mean loss is lower.
        challenger_loss: Mean loss of the challenger.
        incumbent_loss: Mean loss of the incumbent.
        identical: Whether both predict the same for every row.
    """

    loss: str
    unit: str
    gain: float
    low: float
    high: float
    confidence: float
    rows: int
    blocks: int
    wins: int
    challenger_loss: float
    incumbent_loss: float
    identical: bool


def compare(
    labels: ArrayLike,
    challenger: ArrayLike,
    incumbent: ArrayLike,
    *,
    model_type: ModelType,
    loss: str,
    blocks: ArrayLike,
    min_blocks: int,
    confidence: float,
) -> Comparison:
    """Compare two predictions of the same rows by the mean of the paired differences of the loss.

    Args:
        labels: The labels.
        challenger: The challenger's predictions.
        incumbent: Those of the Champion, or of the heuristic baseline.
        model_type: The model type.
        loss: Name of the loss of that model type to compare by.
        blocks: The block of each row, as its day: errors within a block may depend on each other.
        min_blocks: Fewest blocks that an interval is made of.
        confidence: How often the interval is to have the true gain in it, as 0.95.

    Raises:
        UnusableInputError: Labels or predictions that the model type refuses, a loss it does not
            have, fewer than 30 rows or `min_blocks` blocks, or a confidence out of range.
    """
    by = model_type.require_loss(loss)
    truth, ours = model_type.read(labels, challenger)
    _, theirs = model_type.read(labels, incumbent)
    challenger_losses, incumbent_losses = by.of(truth, ours), by.of(truth, theirs)
    gains = incumbent_losses - challenger_losses
    if gains.size < MIN_ROWS:
        raise UnusableInputError(
            "labels",
            got=f"{gains.size} rows",
            allowed=f"{MIN_ROWS} or more",
            remedy="Compare on a longer held-out window.",
        )
    mean = average_blocks(gains, blocks, min_blocks)
    reach = mean.reach(confidence)
    return Comparison(
        loss=by.name,
        unit=by.unit,
        gain=mean.value,
        low=mean.value - reach,
        high=mean.value + reach,
        confidence=confidence,
        rows=mean.rows,
        blocks=mean.blocks,
        wins=mean.positive,
        challenger_loss=float(challenger_losses.mean()),
        incumbent_loss=float(incumbent_losses.mean()),
        identical=bool((ours == theirs).all()),
    )


@dataclass(frozen=True, kw_only=True)
class BlockedMean:
    """The mean of values that depend on each other within blocks.

    Attributes:
        value: The mean over all rows.
        error: Its standard error.
        rows: How many rows there are.
        blocks: How many blocks they fall into.
        positive: How many blocks have a sum above 0.
    """

    value: float
    error: float
    rows: int
    blocks: int
    positive: int

    def reach(self, confidence: float) -> float:
        """Return half the width of the interval, by Student's t with a degree less than blocks.

        Raises:
            UnusableInputError: The confidence is no share between 0 and 1.
        """
        if not 0 < confidence < 1:
            raise UnusableInputError(
                "confidence",
                got=f"{confidence}",
                allowed="a share between 0 and 1",
                remedy="Correct it in the policy.",
            )
        return float(stats.t.ppf((1 + confidence) / 2, self.blocks - 1)) * self.error

    def chance_below(self, bound: float) -> float:
        """Return how likely a mean as low as this one is, were the true mean at the bound.

        It is the p-value of the one-sided test that the true mean is `bound` or more. Where no
        block differs from the others, it is 0 or 1.
        """
        away = self.value - bound
        if self.error == 0:
            return float(away >= 0)
        return float(stats.t.cdf(away / self.error, self.blocks - 1))


def average_blocks(values: FloatArray, blocks: ArrayLike, min_blocks: int) -> BlockedMean:
    """Return the mean of values with its standard error, from the sums of whole blocks.

    Blocks have different numbers of rows, so the mean is a ratio, of all sums by all rows. Its
    error is that of the blocks' sums around what their rows would give at the mean.

    Raises:
        UnusableInputError: Fewer than `min_blocks` blocks, or blocks of another number of rows.
    """
    names, members = np.unique(np.asarray(blocks), return_inverse=True)
    if members.size != values.size or names.size < max(min_blocks, 2):
        raise UnusableInputError(
            "blocks",
            got=f"{names.size} blocks of {members.size} rows, for {values.size} rows",
            allowed=f"{max(min_blocks, 2)} blocks or more, and one for each row",
            remedy="Compare on a longer held-out window.",
        )
    sums = np.bincount(members, weights=values)
    rows = np.bincount(members).astype(np.float64)
    mean = float(values.mean())
    spread = float(((sums - mean * rows) ** 2).sum())
    error = np.sqrt(names.size / (names.size - 1) * spread) / values.size
    return BlockedMean(
        value=mean,
        error=float(error),
        rows=values.size,
        blocks=names.size,
        positive=int((sums > 0).sum()),
    )
