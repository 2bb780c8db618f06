"""Compare two models, or a model and its labels, by slice."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import ArrayLike

from ..errors import UnusableInputError
from .comparison import average_blocks
from .model_types import ModelType
from .observations import FloatArray

# Values with too few rows or days are pooled in one slice.
OTHERS = "(all smaller)"
MISSING = "missing"
MIN_DAYS = 2

Members = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class SliceSize:
    """Minimum size of a slice; smaller values of a column are pooled."""

    rows: int
    days: int

    def __post_init__(self) -> None:
        """Refuse a size too small to estimate a standard error."""
        if self.rows < 1 or self.days < MIN_DAYS:
            raise UnusableInputError(
                "size of slices",
                got=f"{self.rows} rows on {self.days} days",
                allowed=f"1 row or more on {MIN_DAYS} days or more",
                remedy="Correct compared_rows and compared_days in the policy.",
            )


@dataclass(frozen=True, kw_only=True)
class SliceTest:
    """The rows of a slice, and a test on them.

    Attributes:
        p_value: P-value of the hypothesis that the figure is within its limit or margin, corrected
            for the number of slices.
    """

    column: str
    value: str
    rows: int
    days: int
    p_value: float


@dataclass(frozen=True, kw_only=True)
class SliceGap(SliceTest):
    """A model's mean prediction against the mean label within a slice.

    Attributes:
        gap: Mean prediction minus mean label.
        error: Standard error of the gap, clustered by day.
    """

    gap: float
    error: float


@dataclass(frozen=True, kw_only=True)
class SliceComparison(SliceTest):
    """A challenger against the Champion on the same rows of a slice.

    Attributes:
        unit: Unit of the loss, the difference and its bounds.
        difference: Mean loss of the challenger minus that of the Champion; above 0 is worse.
        low: Lower bound of the difference, not corrected for the number of slices.
        gap: Mean prediction of the challenger minus mean label.
        incumbent_gap: Mean prediction of the Champion minus mean label.
    """

    loss: str
    unit: str
    difference: float
    low: float
    high: float
    gap: float
    incumbent_gap: float

    @property
    def gap_increase(self) -> float:
        """How much further the challenger's mean prediction is from the mean label."""
        return abs(self.gap) - abs(self.incumbent_gap)


Tested = TypeVar("Tested", bound=SliceTest)


def compare_by_slice(
    labels: ArrayLike,
    challenger: ArrayLike,
    incumbent: ArrayLike,
    columns: Mapping[str, ArrayLike],
    days: ArrayLike,
    *,
    model_type: ModelType,
    loss: str,
    size: SliceSize,
    margin: float,
    confidence: float,
) -> tuple[SliceComparison, ...]:
    """Test in each slice whether the challenger is worse by more than a margin.

    Means, errors and the test are those of `compare`, with days as blocks. P-values are corrected
    over all slices of all columns by Holm's method, which controls the family-wise error rate.

    `columns` has the values of each slice column, `days` the local day of each row. The
    challenger's mean loss may exceed the Champion's by `margin`; `confidence` is per interval.

    Raises:
        UnusableInputError: Invalid labels or predictions, an unknown loss, or columns or days of
            a different length.
    """
    by = model_type.require_loss(loss)
    truth, ours = model_type.read(labels, challenger)
    _, theirs = model_type.read(labels, incumbent)
    gains = by.of(truth, theirs) - by.of(truth, ours)
    found = []
    for column, value, members, dates in find_slices(columns, days, truth.size, size):
        gain = average_blocks(gains[members], dates[members], size.days)
        reach = gain.reach(confidence)
        found.append(
            SliceComparison(
                column=column,
                value=value,
                rows=gain.rows,
                days=gain.blocks,
                loss=by.name,
                unit=by.unit,
                difference=-gain.value,
                low=-gain.value - reach,
                high=-gain.value + reach,
                p_value=gain.chance_below(-margin),
                gap=float((ours - truth)[members].mean()),
                incumbent_gap=float((theirs - truth)[members].mean()),
            )
        )
    return _correct(found)


def measure_gaps(
    labels: FloatArray,
    predictions: FloatArray,
    columns: Mapping[str, ArrayLike],
    days: ArrayLike,
    *,
    size: SliceSize,
    limit: float,
) -> tuple[SliceGap, ...]:
    """Test in each slice whether mean prediction and mean label differ by more than a limit.

    Errors and corrections are those of `compare_by_slice`.

    Labels and predictions are validated ones; `limit` is in the label's unit.

    Raises:
        UnusableInputError: Columns or days of a different length.
    """
    found = []
    for column, value, members, dates in find_slices(columns, days, labels.size, size):
        gaps = (predictions - labels)[members]
        # The sign makes a larger gap a lower mean, in either direction.
        turned = -1.0 if gaps.mean() > 0 else 1.0
        mean = average_blocks(turned * gaps, dates[members], size.days)
        found.append(
            SliceGap(
                column=column,
                value=value,
                rows=mean.rows,
                days=mean.blocks,
                gap=turned * mean.value,
                error=mean.error,
                p_value=mean.chance_below(-limit),
            )
        )
    return _correct(found)


def name_values(values: ArrayLike) -> "pd.Series[str]":
    """Return the values of a column as text; a missing value is "missing".

    Whole numbers have no decimal point, even if the column's dtype is double.
    """
    raw = pd.Series(np.asarray(values, dtype=object))
    given = np.asarray(values)
    if given.dtype.kind == "f" and (np.mod(given[np.isfinite(given)], 1) == 0).all():
        raw = pd.Series(given).replace([np.inf, -np.inf], np.nan).astype("Int64").astype(object)
    return raw.where(raw.notna(), MISSING).astype(str)


def find_slices(
    columns: Mapping[str, ArrayLike], days: ArrayLike, rows: int, size: SliceSize
) -> Iterator[tuple[str, str, Members, npt.NDArray[np.intp]]]:
    """Yield column, value, row mask and day numbers of each slice.

    Values that are too small are pooled in one slice, if that is large enough. Otherwise a model
    that is bad for every small value would pass.

    Raises:
        UnusableInputError: Columns or days of a different length.
    """
    for name, given in (("days", days), *columns.items()):
        if np.shape(given) != (rows,):
            raise UnusableInputError(
                f"column {name} of the slices",
                got=f"values of shape {np.shape(given)}",
                allowed=f"one value for each of {rows:,} rows",
                remedy="Give the column of the same rows.",
            )
    dates = np.unique(np.asarray(days), return_inverse=True)[1]
    for column, values in columns.items():
        names = name_values(values)
        sizes = pd.Series(dates).groupby(names).agg(["size", "nunique"])
        large = sizes.index[(sizes["size"] >= size.rows) & (sizes["nunique"] >= size.days)]
        for value in large:
            yield column, str(value), (names == value).to_numpy(), dates
        small = ~names.isin(large).to_numpy()
        if small.sum() >= size.rows and np.unique(dates[small]).size >= size.days:
            yield column, OTHERS, small, dates


def correct_p_values(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number by Holm's method."""
    count = len(p_values)
    order = np.argsort(p_values, kind="stable")
    stepped = np.asarray(p_values, dtype=np.float64)[order] * (count - np.arange(count))
    corrected = np.empty(count)
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1.0) if count else stepped
    return [float(each) for each in corrected]


def _correct(found: Sequence[Tested]) -> tuple[Tested, ...]:
    corrected = correct_p_values([each.p_value for each in found])
    return tuple(replace(s, p_value=p) for s, p in zip(found, corrected, strict=True))


def locate_rows(chosen: Members, columns: Mapping[str, ArrayLike]) -> str:
    """Describe the column value that best matches some rows (largest Jaccard index).

    Of a numerical column only missing values are considered.

    Returns:
        Text such as "carrier=OO: 37 of its 40 rows, 37 of all 37"; that the rows are spread if no
        index exceeds 0.1.
    """
    if chosen.all():
        return "every row"
    best, words = 0.1, "spread over all values of every column"
    for column, values in columns.items():
        if np.shape(values) != chosen.shape:
            continue
        names = name_values(values)
        if np.asarray(values).dtype.kind in "fiu":
            names = names.where(names == MISSING, "")
        for value, members in names.groupby(names).indices.items():
            inside = int(chosen[members].sum())
            shared = inside / (len(members) + int(chosen.sum()) - inside)
            if value and shared > best and len(members) < chosen.size:
                best = shared
                words = (
                    f"{column}={value}: {inside:,} of its {len(members):,} rows, "
                    f"{inside:,} of all {int(chosen.sum()):,}"
                )
    return words
