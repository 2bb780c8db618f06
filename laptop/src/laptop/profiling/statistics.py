"""Statistics of one column in one group of rows.

Quantiles are observed values: the smallest value such that at least the given share of values
does not exceed it. NaN is counted and otherwise ignored; infinities are included. Undefined
statistics, such as the standard deviation of one value, are None.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.int64]

QUANTILES = 1000
FREQUENT_ITEMS = 100


@dataclass(frozen=True)
class Summary:
    """Counts of a group's rows in one column.

    Attributes:
        count: Number of rows.
        nulls: Number of nulls.
    """

    count: int
    nulls: int

    @property
    def percent_null(self) -> float | None:
        """Percentage of nulls, 0 to 100."""
        return percent(self.nulls, self.count)

    @property
    def distinct(self) -> int | None:
        """Number of distinct values, or None if unknown."""
        return None

    def profile(self) -> dict[str, Any]:
        """Return the profile metrics of the column."""
        cells: dict[str, Any] = {
            "count": self.count,
            "num_nulls": self.nulls,
            "percent_null": self.percent_null,
        }
        if self.distinct is not None:
            cells["distinct_count"] = self.distinct
            cells["percent_distinct"] = percent(self.distinct, self.count)
        return cells


@dataclass(frozen=True)
class Numbers(Summary):
    """A numerical column.

    Attributes:
        values: Values without null and NaN, sorted.
        nans: Number of NaN.
    """

    values: "Floats" = field(default_factory=lambda: np.empty(0))
    nans: int = 0

    @cached_property
    def mean(self) -> float | None:
        """Mean of the values."""
        with np.errstate(invalid="ignore"):
            return defined(self.values.mean()) if self.values.size else None

    @property
    def zeros(self) -> int:
        """Number of zeros."""
        first, last = (
            np.searchsorted(self.values, 0.0, "left"),
            np.searchsorted(self.values, 0.0, "right"),
        )
        return int(last - first)

    @cached_property
    def distinct(self) -> int:
        """Number of distinct values."""
        if not self.values.size:
            return 0
        return 1 + int(np.count_nonzero(self.values[1:] != self.values[:-1]))

    def profile(self) -> dict[str, Any]:
        """Return the profile metrics of the column."""
        cells = super().profile() | {
            "num_zeros": self.zeros,
            "num_nan": self.nans,
            "percent_zeros": percent(self.zeros, self.count),
            "percent_nan": percent(self.nans, self.count),
        }
        if not self.values.size:
            return cells
        with np.errstate(invalid="ignore", over="ignore"):
            deviation = self.values.std(ddof=1) if self.values.size > 1 else np.nan
        quantiles = pick_quantiles(self.values, QUANTILES)
        return cells | {
            "avg": self.mean,
            "stddev": defined(deviation),
            "min": float(self.values[0]),
            "max": float(self.values[-1]),
            "quantiles": quantiles,
            "median": float(quantiles[QUANTILES // 2]),
        }


@dataclass(frozen=True)
class Instants(Summary):
    """A column of timestamps or dates.

    Attributes:
        values: Epoch seconds, sorted.
    """

    values: "Floats" = field(default_factory=lambda: np.empty(0))

    @cached_property
    def distinct(self) -> int:
        """Number of distinct values."""
        return Numbers(self.count, self.nulls, self.values).distinct

    def profile(self) -> dict[str, Any]:
        """Return the profile metrics of the column."""
        cells = super().profile()
        if not self.values.size:
            return cells
        return cells | {
            "min": float(self.values[0]),
            "max": float(self.values[-1]),
            "median": float(self.values[(self.values.size + 1) // 2 - 1]),
        }


@dataclass(frozen=True)
class Categories(Summary):
    """A column of texts or booleans.

    Attributes:
        ids: Codes of the categories present, sorted.
        counts: Frequency of each of these categories.
        names: All categories of the column, by code.
        texts: Whether to compute text lengths.
    """

    ids: "Integers" = field(default_factory=lambda: np.empty(0, np.int64))
    counts: "Integers" = field(default_factory=lambda: np.empty(0, np.int64))
    names: list[str] = field(default_factory=list)
    texts: bool = True

    @property
    def distinct(self) -> int:
        """Number of distinct values."""
        return int(self.ids.size)

    def profile(self) -> dict[str, Any]:
        """Return the profile metrics of the column."""
        cells = super().profile()
        if not self.ids.size:
            return cells | {"frequent_items": []}
        present = self.counts
        kept = np.arange(present.size)
        if present.size > FREQUENT_ITEMS:
            least = np.partition(present, -FREQUENT_ITEMS)[-FREQUENT_ITEMS]
            kept = np.flatnonzero(present >= least)
        items = sorted(
            ((int(present[at]), self.names[self.ids[at]]) for at in kept),
            key=lambda item: (-item[0], item[1]),
        )
        cells["frequent_items"] = [
            {"item": name, "count": count} for count, name in items[:FREQUENT_ITEMS]
        ]
        if self.texts:
            lengths = np.fromiter((len(self.names[i]) for i in self.ids), np.int64, self.ids.size)
            cells |= {
                "min_length": float(lengths.min()),
                "max_length": float(lengths.max()),
                "avg_length": float((lengths * present).sum() / present.sum()),
            }
        return cells


def pick_quantiles(values: "Floats", parts: int) -> "Floats":
    """Return quantiles 0/parts, 1/parts … of sorted values, without interpolation."""
    at = -(-np.arange(parts) * values.size // parts) - 1
    return values[np.maximum(at, 0)]


def percent(part: int, whole: int) -> float | None:
    """Return a percentage; None if `whole` is 0."""
    return 100.0 * part / whole if whole else None


def defined(value: Any) -> float | None:
    """Return a number, or None for NaN."""
    return None if np.isnan(value) else float(value)
