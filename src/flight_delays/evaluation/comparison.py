"""Compare two models on the same rows: the gain with its confidence interval."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ..errors import UnusableInputError
from .model_types import ModelType
from .observations import FloatArray

# An interval of fewer rows is not reliable, whatever the blocks.
MIN_ROWS = 30


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A challenger against an incumbent on the same rows.

    Attributes:
        unit: Unit of the loss, the gain and its bounds.
        gain: Mean loss of the incumbent minus that of the challenger; positive is better.
        blocks: Number of blocks, such as days.
        wins: Number of blocks in which the challenger's mean loss is lower.
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
    """Compare two predictions of the same rows by their mean paired difference in loss.

    `incumbent` are predictions of the Champion or of the heuristic baseline; `blocks` has the block
    of each row, such as its day, within which errors may be correlated.

    Raises:
        UnusableInputError: Invalid labels or predictions, an unknown loss, fewer than 30 rows or
            `min_blocks` blocks, or a confidence out of range.
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
    """The mean of values that are correlated within blocks.

    Attributes:
        value: The mean over all rows.
        error: Its standard error.
        positive: Number of blocks with a sum above 0.
    """

    value: float
    error: float
    rows: int
    blocks: int
    positive: int

    def reach(self, confidence: float) -> float:
        """Return half the width of the interval (Student's t, blocks - 1 degrees of freedom).

        Raises:
            UnusableInputError: The confidence is not between 0 and 1.
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
        """Return the p-value of the one-sided test that the true mean is `bound` or more.

        It is 0 or 1 if all blocks are equal.
        """
        away = self.value - bound
        if self.error == 0:
            return float(away >= 0)
        return float(stats.t.cdf(away / self.error, self.blocks - 1))


def average_blocks(values: FloatArray, blocks: ArrayLike, min_blocks: int) -> BlockedMean:
    """Return the mean of values with its cluster-robust standard error.

    Blocks have different numbers of rows, so the mean is a ratio estimator: the sum over all
    blocks divided by all rows.

    Raises:
        UnusableInputError: Fewer than `min_blocks` blocks, or `blocks` and `values` differ in
            length.
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


def local_days(decided: pd.Series, time_zone: str) -> NDArray[np.datetime64]:
    """Return the local day of each instant, the block within which errors are correlated.

    Instants without a zone are UTC; `time_zone` is an IANA name, such as America/New_York.
    """
    instants = decided if decided.dt.tz is not None else decided.dt.tz_localize("UTC")
    local = instants.dt.tz_convert(ZoneInfo(time_zone)).dt.tz_localize(None)
    days: NDArray[np.datetime64] = local.to_numpy(dtype="datetime64[D]")
    return days
