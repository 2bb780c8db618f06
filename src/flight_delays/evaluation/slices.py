"""Two models, or a first one and its labels, within each value of some columns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import ArrayLike

from ..errors import UnusableInputError
from .comparison import average_blocks
from .model_types import ModelType
from .observations import FloatArray

# The values of a column that are too small to be judged, together.
OTHERS = "(all smaller)"
MISSING = "missing"
MIN_DAYS = 2

Members = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class SliceSize:
    """Which slices are judged; a column's smaller values are judged together.

    Attributes:
        rows: Fewest rows.
        days: Fewest days that these fall on.
    """

    rows: int
    days: int

    def __post_init__(self) -> None:
        """Refuse a size that no error can be estimated for."""
        if self.rows < 1 or self.days < MIN_DAYS:
            raise UnusableInputError(
                "size of slices",
                got=f"{self.rows} rows on {self.days} days",
                allowed=f"1 row or more on {MIN_DAYS} days or more",
                remedy="Correct compared_rows and compared_days in the policy.",
            )


@dataclass(frozen=True, kw_only=True)
class SliceGap:
    """A model's mean prediction against the mean label within a slice.

    Attributes:
        column: The column.
        value: Its value.
        rows: How many rows have it.
        days: On how many days they are.
        gap: Mean prediction minus mean label.
        error: Standard error of the gap, by days.
        p_value: Of a gap that is no larger than the limit, corrected for the number of slices.
    """

    column: str
    value: str
    rows: int
    days: int
    gap: float
    error: float
    p_value: float


@dataclass(frozen=True, kw_only=True)
class SliceComparison:
    """A challenger against the Champion on the same rows of a slice.

    Attributes:
        column: The column.
        value: Its value.
        rows: How many rows have it.
        days: On how many days they are.
        loss: Name of the loss.
        unit: Its unit, which difference and bounds have, too.
        difference: Mean loss of the challenger minus that of the Champion: above 0 is worse.
        low: Lower bound of the difference, for this slice alone.
        high: Upper bound of it.
        p_value: Of a difference that is no larger than the margin, corrected for the number of
            slices.
        gap: Mean prediction of the challenger minus mean label.
        incumbent_gap: The same of the Champion.
    """

    column: str
    value: str
    rows: int
    days: int
    loss: str
    unit: str
    difference: float
    low: float
    high: float
    p_value: float
    gap: float
    incumbent_gap: float

    @property
    def gap_increase(self) -> float:
        """How much further the challenger's mean prediction is from the mean label."""
        return abs(self.gap) - abs(self.incumbent_gap)


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
    """Compare two predictions within each slice: is the challenger worse by more than a margin?

    Means, errors and the test are those of the comparison over all rows, by days. P-values are
    corrected over all slices of all columns as Holm does: the chance that any slice is wrongly
    found worse stays below the level.

    Args:
        labels: The labels.
        challenger: The challenger's predictions.
        incumbent: Those of the Champion.
        columns: Column to its values for the same rows.
        days: The local day of each row.
        model_type: The model type.
        loss: Name of the loss of that model type to compare by.
        size: Which slices are judged.
        margin: By how much the challenger's mean loss may exceed the Champion's.
        confidence: Of the interval of each difference.

    Raises:
        UnusableInputError: Labels or predictions that the model type refuses, a loss it does not
            have, or columns or days of other rows.
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
    corrected = correct_p_values([each.p_value for each in found])
    return tuple(replace(s, p_value=p) for s, p in zip(found, corrected, strict=True))


def measure_gaps(
    labels: FloatArray,
    predictions: FloatArray,
    columns: Mapping[str, ArrayLike],
    days: ArrayLike,
    *,
    size: SliceSize,
    limit: float,
) -> tuple[SliceGap, ...]:
    """Measure each slice's mean prediction against its mean label: is the gap beyond a limit?

    Errors and corrections are those of `compare_by_slice`.

    Args:
        labels: The labels, checked.
        predictions: The predictions, checked.
        columns: Column to its values for the same rows.
        days: The local day of each row.
        size: Which slices are judged.
        limit: How large a gap may be, in the label's unit.

    Raises:
        UnusableInputError: Columns or days of other rows.
    """
    found = []
    for column, value, members, dates in find_slices(columns, days, labels.size, size):
        gaps = (predictions - labels)[members]
        # Turned so that a larger gap is a lower mean, whichever way it goes.
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
    corrected = correct_p_values([each.p_value for each in found])
    return tuple(replace(s, p_value=p) for s, p in zip(found, corrected, strict=True))


def name_values(values: ArrayLike) -> "pd.Series[str]":
    """Return the values of a column as text; missing ones are a value of their own.

    Whole numbers are written alike, whether or not the column has become one of doubles.
    """
    raw = pd.Series(np.asarray(values, dtype=object))
    given = np.asarray(values)
    if given.dtype.kind == "f" and (np.mod(given[np.isfinite(given)], 1) == 0).all():
        raw = pd.Series(given).replace([np.inf, -np.inf], np.nan).astype("Int64").astype(object)
    return raw.where(raw.notna(), MISSING).astype(str)


def find_slices(
    columns: Mapping[str, ArrayLike], days: ArrayLike, rows: int, size: SliceSize
) -> Iterator[tuple[str, str, Members, npt.NDArray[np.intp]]]:
    """Return each slice that is judged: column, value, its rows, and the number of each row's day.

    Values that are too small are one slice together, where that is large enough: a model could
    else be bad for every small value and be judged for none.

    Raises:
        UnusableInputError: Columns or days of other rows.
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


def locate_rows(chosen: Members, columns: Mapping[str, ArrayLike]) -> str:
    """Say in which value of a column some rows are concentrated.

    Of a column of numbers it is asked only whether it is missing there.

    Returns:
        Words such as "carrier=OO: 37 of its 40 rows, 37 of all 37"; where no value has a tenth of
        them for each row that is not one of them, that they are spread.
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
