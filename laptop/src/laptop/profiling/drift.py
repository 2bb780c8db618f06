"""Drift of a column between two groups of rows.

Numerical columns: the Kolmogorov-Smirnov test with its asymptotic p-value (equal to Databricks'
for the same statistic and sizes; Databricks' statistic itself is accurate to thousandths, since it
is computed from 1000 quantiles), the Wasserstein distance and the population stability index.
Categorical columns: the Jensen-Shannon distance (square root of the divergence in natural
logarithms, as in scipy), the chi-squared test of homogeneity, the total variation distance and
the L-infinity distance.

The population stability index uses the deciles of the compared group as bins. A value that spans
two deciles or more gets its own bin, so that a change of a constant is detected. Shares below
0.0001 count as 0.0001. Databricks does not publish its bins; its values for samples of one
distribution have a size consistent with ten bins.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import xlogy
from scipy.stats import chi2, kstwo

from .statistics import Categories, Numbers, Summary, defined, percent

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

BINS = 10
LEAST_SHARE = 1e-4
# Values of a side per block, chosen to fit the processor's cache.
_BLOCK = 1 << 17
_ROUNDING = 1e-14
_MANY, _FAR = 50_000, 2.2


def compare(current: Summary, other: Summary) -> dict[str, Any]:
    """Return the drift metrics of one column."""
    cells: dict[str, Any] = {
        "count_delta": current.count - other.count,
        "percent_null_delta": minus(current.percent_null, other.percent_null),
    }
    if current.distinct is not None and other.distinct is not None:
        cells["percent_distinct_delta"] = minus(
            percent(current.distinct, current.count), percent(other.distinct, other.count)
        )
    if isinstance(current, Numbers) and isinstance(other, Numbers):
        cells |= {
            "avg_delta": minus(current.mean, other.mean),
            "percent_zeros_delta": minus(
                percent(current.zeros, current.count), percent(other.zeros, other.count)
            ),
        }
        if current.values.size and other.values.size:
            cells |= compare_numbers(current.values, other.values)
    elif (
        isinstance(current, Categories)
        and isinstance(other, Categories)
        and current.ids.size
        and other.ids.size
    ):
        cells |= compare_categories(current, other)
    return cells


def compare_numbers(current: "Floats", other: "Floats") -> dict[str, Any]:
    """Return drift metrics of two sorted arrays, neither of them empty."""
    n, m = current.size, other.size
    statistic, distance = 0.0, 0.0
    before: tuple[float, float] | None = None
    for ours, theirs in _blocks(current, other):
        both = np.concatenate([current[ours], other[theirs]])
        # Merges two sorted arrays; among equal values the current ones come first.
        order = np.argsort(both, kind="stable")
        merged = both[order]
        # Cumulative shares are valid at the last of equal values.
        last = np.append(merged[1:] != merged[:-1], True)
        difference: Floats = np.cumsum(order < ours.stop - ours.start, dtype=np.float64)
        difference += ours.start
        difference *= 1.0 / n + 1.0 / m
        difference -= np.arange(ours.start + theirs.start + 1, ours.stop + theirs.stop + 1) / m
        np.abs(difference, out=difference)
        # Remove rounding errors, which an infinite gap would amplify.
        difference[difference < _ROUNDING] = 0.0
        statistic = max(statistic, float(np.max(difference, where=last, initial=0.0)))
        if before is not None:
            distance += _cost(np.array([before[0], merged[0]]), np.array([before[1]]))
        values, shares = (merged, difference) if last.all() else (merged[last], difference[last])
        distance += _cost(values, shares[:-1])
        before = float(values[-1]), float(shares[-1])
    return {
        "ks_test": {"statistic": statistic, "pvalue": ks_pvalue(statistic, n, m)},
        "wasserstein_distance": distance,
        "population_stability_index": stability_index(current, other),
    }


def ks_pvalue(statistic: float, n: int, m: int) -> float:
    """Return the asymptotic p-value of a Kolmogorov-Smirnov test of n values against m.

    For large statistics, scipy sums as many terms as there are values; for large samples the
    asymptotic series used here is equal to 1e-9 and fast.
    """
    size = max(float(np.round(n * m / (n + m))), 1.0)
    square = size * statistic**2
    if size <= _MANY or square < _FAR:
        return float(kstwo.sf(statistic, size))
    z = np.sqrt(square)
    series = (
        1.0
        - 2 * z / (3 * np.sqrt(size))
        + 2 * square / (3 * size) * (1 - 2 * square / 3)
        + 4 * z / (9 * size**1.5) * (1 / 5 - 19 * square / 15 + 2 * square**2 / 3)
    )
    return float(2 * np.exp(-2 * square) * max(series, 0.0))


def _blocks(current: "Floats", other: "Floats") -> Iterator[tuple[slice, slice]]:
    """Yield aligned ranges of both arrays; equal values are in the same range."""
    longer = max(current, other, key=len)
    bounds = np.unique(longer[_BLOCK::_BLOCK])
    ours = [*np.searchsorted(current, bounds, "right").tolist(), current.size]
    theirs = [*np.searchsorted(other, bounds, "right").tolist(), other.size]
    first, second = 0, 0
    for end, other_end in zip(ours, theirs, strict=True):
        if end > first or other_end > second:
            yield slice(first, end), slice(second, other_end)
        first, second = end, other_end


def _cost(values: "Floats", shares: "Floats") -> float:
    """Return the sum of gaps between sorted values, weighted by shares."""
    gaps = np.diff(values)
    if np.isinf(values[0]) or np.isinf(values[-1]):
        gaps = np.where(shares > 0, gaps, 0.0)
    return float(gaps @ shares)


def stability_index(current: "Floats", other: "Floats") -> float:
    """Return the population stability index of two sorted arrays, neither of them empty."""
    at = -(-np.arange(BINS + 1) * other.size // BINS) - 1
    deciles = other[np.maximum(at, 0)]
    edges, times = np.unique(deciles, return_counts=True)
    repeated = edges[times > 1]
    # Minimum and maximum are no bin edges unless they are repeated.
    plain = edges[(times == 1) & (edges != deciles[0]) & (edges != deciles[-1])]
    right = np.concatenate([plain, repeated])

    def shares(values: "Floats") -> "Floats":
        below = np.searchsorted(values, repeated, "left")
        upto = np.searchsorted(values, right, "right")
        cuts = np.sort(np.concatenate([[0], below, upto, [values.size]]))
        return np.maximum(np.diff(cuts) / values.size, LEAST_SHARE)

    now, then = shares(current), shares(other)
    return float(((now - then) * np.log(now / then)).sum())


def compare_categories(current: Categories, other: Categories) -> dict[str, Any]:
    """Return drift metrics of two tables of counts, neither of them empty."""
    ids = np.union1d(current.ids, other.ids)
    counts = np.zeros((2, ids.size))
    counts[0, np.searchsorted(ids, current.ids)] = current.counts
    counts[1, np.searchsorted(ids, other.ids)] = other.counts
    totals = counts.sum(axis=1, keepdims=True)
    p, q = counts / totals
    middle = (p + q) / 2
    divergence = (xlogy(p, p / middle) + xlogy(q, q / middle)).sum() / 2
    expected = counts.sum(axis=0) * totals / counts.sum()
    statistic = float(((counts - expected) ** 2 / expected).sum())
    apart = np.abs(p - q)
    return {
        "js_distance": float(np.sqrt(max(divergence, 0.0))),
        "chi_squared_test": {
            "statistic": statistic,
            "pvalue": float(chi2.sf(statistic, ids.size - 1)) if ids.size > 1 else 1.0,
        },
        "tv_distance": float(apart.sum() / 2),
        "l_infinity_distance": float(apart.max()),
    }


def minus(current: float | None, other: float | None) -> float | None:
    """Return the difference; None if a side is missing or the result is undefined."""
    if current is None or other is None:
        return None
    return defined(current - other)
