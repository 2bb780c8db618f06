"""Anytime-valid bounds of the difference of two arms (confidence sequences).

Means, such as losses, use the normal mixture of Howard et al. (2021) in the asymptotic form of
Waudby-Smith et al. (2021), which needs some hundred observations. Shares of rare events, such as
failed requests, use a test that is exact from the first observation: the ratio of the marginal
likelihood of both shares (independent Beta(1/2, 1/2) priors) to the maximum likelihood within the
limit. By Ville's inequality it ever reaches 1 / alpha with a probability of at most alpha.

All functions accept numbers or arrays. A bound at alpha is one-sided; two at alpha / 2 make an
interval.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats: TypeAlias = NDArray[np.float64]
PRIOR = 0.5
# Bisection steps for the best fit and for a reported bound.
FIT, BOUND = 24, 18


@dataclass(frozen=True)
class Sums:
    """Sums of observations; the last axis of arrays is the stratum, such as the step."""

    count: ArrayLike
    total: ArrayLike
    squares: ArrayLike


def subtract_means(first: Sums, second: Sums) -> tuple[Floats, Floats]:
    """Return the difference of means, second minus first, and its variance.

    The estimate is stratified and weighted by counts, so that changes of the traffic split or the
    time of day between strata do not bias it.

    Returns:
        The difference and its variance, which is infinite if the arms have no stratum in common or
        one is constant.
    """
    one, two = _read(first), _read(second)
    both = (one[0] > 0) & (two[0] > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(both, one[0] * two[0] / (one[0] + two[0]), 0.0)
        weights = weights / weights.sum(axis=-1, keepdims=True)
        gap = np.where(both, two[1] / two[0] - one[1] / one[0], 0.0)
        spread, share = np.zeros(gap.shape[:-1]), np.zeros(gap.shape[:-1])
        for count, total, squares in (one, two):
            inside = np.where(both, squares - total**2 / count, 0.0).sum(axis=-1)
            freedom = np.where(both, count - 1, 0.0).sum(axis=-1)
            own = np.where(freedom > 0, inside / freedom, 0.0)
            spread = np.where(own > 0, np.maximum(spread, own), np.inf)
            share = share + np.where(both, weights**2 / count, 0.0).sum(axis=-1)
        variance = spread * share
        value = (weights * gap).sum(axis=-1)
    return value, np.where(np.isfinite(variance) & np.isfinite(value), variance, np.inf)


def _read(sums: Sums) -> tuple[Floats, Floats, Floats]:
    count, total, squares = (
        np.atleast_1d(np.asarray(each, dtype=np.float64))
        for each in (sums.count, sums.total, sums.squares)
    )
    return count, total, squares


def find_reach(variance: ArrayLike, scale: float, alpha: float) -> Floats:
    """Return the distance of a one-sided bound from its estimate.

    Args:
        variance: Variance of the estimate; if it is 0 or not finite, the reach is infinite.
        scale: The difference to detect soonest; any value is valid.
        alpha: Maximum probability that the true value is ever beyond the bound.
    """
    known = np.asarray(variance, dtype=np.float64)
    usable = np.isfinite(known) & (known > 0)
    known = np.where(usable, known, 1.0)
    grown = known + scale**2
    odds = np.log1p(np.sqrt(grown / known) / (2 * alpha))
    reach: Floats = np.where(usable, np.sqrt(2 * known * grown / scale**2 * odds), np.inf)
    return reach


def weigh_increase(
    first: ArrayLike, of_first: ArrayLike, second: ArrayLike, of_second: ArrayLike, limit: ArrayLike
) -> Floats:
    """Return the log evidence that the second share exceeds the first by more than a limit.

    The increase is significant at alpha if it reaches log(1 / alpha).

    Args:
        first: Events of the first arm.
        of_first: Requests of the first arm.
        second: Events of the second arm.
        of_second: Requests of the second arm.
        limit: The allowed increase, between -1 and 1.
    """
    hits, misses, allowed = _split(first, of_first, second, of_second, limit)
    mixed = special.betaln(hits + PRIOR, misses + PRIOR) - special.betaln(PRIOR, PRIOR)
    shares = hits / np.maximum(hits + misses, 1.0)
    nearest = _fit(hits, misses, allowed)
    # The maximum likelihood shares within the limit.
    fitted = np.where(
        shares[1] - shares[0] <= allowed, shares, np.stack((nearest, nearest + allowed))
    )
    fitted = np.clip(fitted, 0.0, 1.0)
    likelihood = special.xlogy(hits, fitted) + special.xlog1py(misses, -fitted)
    evidence: Floats = (mixed - likelihood).sum(axis=0)
    return evidence


def bound_increase(
    first: ArrayLike, of_first: ArrayLike, second: ArrayLike, of_second: ArrayLike, alpha: float
) -> Floats:
    """Return the lower bound at alpha of the increase, second share minus first.

    The events and requests are those of `weigh_increase`; `alpha` is the maximum probability that
    the true increase is ever below the bound.
    """
    low, high = np.broadcast_arrays(-1.0, 1.0, first, of_first, second, of_second)[:2]
    for _ in range(BOUND):
        middle = (low + high) / 2
        shown = weigh_increase(first, of_first, second, of_second, middle) >= -np.log(alpha)
        low, high = np.where(shown, middle, low), np.where(shown, high, middle)
    return low


def _split(
    first: ArrayLike, of_first: ArrayLike, second: ArrayLike, of_second: ArrayLike, limit: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """Return events, other requests and the limit; arms are along the first axis."""
    each = [np.asarray(one, np.float64) for one in (first, second, of_first, of_second, limit)]
    events, others, totals, more, allowed = np.broadcast_arrays(*each)
    hits = np.stack((events, others))
    return hits, np.stack((totals, more)) - hits, allowed


def _fit(hits: Floats, misses: Floats, allowed: Floats) -> Floats:
    """Return the maximum likelihood first share if the second is larger by exactly the limit."""
    low, high = np.maximum(0.0, -allowed), np.minimum(1.0, 1.0 - allowed)
    (hit, other_hit), (miss, other_miss) = hits, misses
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(FIT):
            share = (low + high) / 2
            other = share + allowed
            slope = hit / share - miss / (1 - share) + other_hit / other - other_miss / (1 - other)
            rising = slope > 0
            low, high = np.where(rising, share, low), np.where(rising, high, share)
    return (low + high) / 2
