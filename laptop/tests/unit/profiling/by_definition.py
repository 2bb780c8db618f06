"""The figures of the metric tables, computed from their definitions value by value."""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any


def quantile(values: Sequence[float], part: int, parts: int) -> float:
    """Return the least value that at least part/parts of the values do not exceed."""
    ordered = sorted(values)
    for value in ordered:
        if bisect_right(ordered, value) * parts >= part * len(ordered):
            return value
    raise ValueError("no values")


def profile(values: Sequence[float | None]) -> dict[str, Any]:
    """Return the cells of a numeric column."""
    count = len(values)
    known = [v for v in values if v is not None and not math.isnan(v)]
    nulls = sum(v is None for v in values)
    nans = count - nulls - len(known)
    zeros = sum(v == 0 for v in known)
    cells: dict[str, Any] = {
        "count": count,
        "num_nulls": nulls,
        "num_nan": nans,
        "num_zeros": zeros,
        "distinct_count": len(set(known)),
        "percent_null": 100 * nulls / count,
        "percent_nan": 100 * nans / count,
        "percent_zeros": 100 * zeros / count,
        "percent_distinct": 100 * len(set(known)) / count,
    }
    if known:
        cells |= {"min": min(known), "max": max(known), "median": quantile(known, 1, 2)}
        mean = math.fsum(known) / len(known) if not {math.inf, -math.inf} <= set(known) else None
        cells["avg"] = mean
        if len(known) > 1 and all(map(math.isfinite, known)):
            cells["stddev"] = math.sqrt(
                math.fsum((v - math.fsum(known) / len(known)) ** 2 for v in known)
                / (len(known) - 1)
            )
        else:
            cells["stddev"] = None
    return cells


def up_to(values: Sequence[float], bound: float) -> float:
    """Return the share of values that are at most `bound`."""
    return sum(v <= bound for v in values) / len(values)


def ks(current: Sequence[float], other: Sequence[float]) -> float:
    """Return the greatest distance of the two distribution functions."""
    return max(abs(up_to(current, v) - up_to(other, v)) for v in {*current, *other})


def wasserstein(current: Sequence[float], other: Sequence[float]) -> float:
    """Return the area between the two distribution functions."""
    bounds = sorted({*current, *other})
    area = []
    for low, high in pairwise(bounds):
        apart = sum(v <= low for v in current) * len(other) - sum(v <= low for v in other) * len(
            current
        )
        if apart:
            area.append((high - low) * abs(apart) / (len(current) * len(other)))
    return math.fsum(area) if math.inf not in area else math.inf


def stability_index(current: Sequence[float], other: Sequence[float]) -> float:
    """Return the population stability index on deciles; a repeated decile is a bin of its own."""
    deciles = [quantile(other, part, 10) if part else min(other) for part in range(11)]
    times = Counter(deciles)
    # A bound is a value and whether the value itself lies above it.
    bounds = []
    for value in sorted(times):
        if times[value] > 1:
            bounds += [(value, True), (value, False)]
        elif value not in (deciles[0], deciles[-1]):
            bounds.append((value, False))

    def shares(values: Sequence[float]) -> list[float]:
        ordered = sorted(values)
        below = [
            bisect_left(ordered, value) if above else bisect_right(ordered, value)
            for value, above in bounds
        ]
        edges = [0, *below, len(ordered)]
        return [max((b - a) / len(ordered), 1e-4) for a, b in pairwise(edges)]

    return math.fsum(
        (p - q) * math.log(p / q) for p, q in zip(shares(current), shares(other), strict=True)
    )


def categories(current: Sequence[str], other: Sequence[str]) -> dict[str, float]:
    """Return the distances of two categorical samples."""
    left, right = Counter(current), Counter(other)
    n, m = len(current), len(other)
    divergence, chi2, apart = [], [], []
    for name in {*left, *right}:
        p, q = left[name] / n, right[name] / m
        both = (p + q) / 2
        divergence += [x * math.log(x / both) / 2 for x in (p, q) if x]
        for have, size in ((left[name], n), (right[name], m)):
            expected = size * (left[name] + right[name]) / (n + m)
            chi2.append((have - expected) ** 2 / expected)
        apart.append(abs(p - q))
    return {
        "js_distance": math.sqrt(max(math.fsum(divergence), 0.0)),
        "chi_squared": math.fsum(chi2),
        "tv_distance": math.fsum(apart) / 2,
        "l_infinity_distance": max(apart),
    }
