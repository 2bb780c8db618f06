"""Simulated streams of requests to two arms, tested after every request."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special

from flight_delays.promotion.sequential import Sums, find_reach, subtract_means, weigh_increase

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Draw: TypeAlias = Callable[[np.random.Generator, tuple[int, int]], Floats]
NEVER = -1
# Streams simulated at once, to limit memory.
CHUNK = 250


def log_losses(worse: float) -> Draw:
    """Return log losses of a calibrated model, all shifted by a constant."""

    def draw(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
        chance = random.beta(1, 3, shape)
        hit = random.random(shape) < chance
        losses: Floats = worse - np.log(np.where(hit, chance, 1 - chance))
        return losses

    return draw


def certain_mistakes(share: float) -> Draw:
    """Return losses of 16 for a small share of requests and 0 for the others."""

    def draw(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
        return np.where(random.random(shape) < share, 16.0, 0.0)

    return draw


@dataclass(frozen=True, kw_only=True)
class Crossings:
    """Number of requests of both arms at the first crossing of each stream; -1 if never.

    Attributes:
        harm: The lower bound crossed the limit.
        better: The upper bound crossed it.
    """

    harm: NDArray[np.int64]
    better: NDArray[np.int64]


def find_first(crossed: Bools) -> NDArray[np.int64]:
    """Return the first true position of each row; -1 if there is none."""
    return np.where(crossed.any(axis=1), crossed.argmax(axis=1), NEVER).astype(np.int64)


def may_cross(counts: Sequence[Floats], limit: float, alpha: float) -> Bools:
    """Return where the evidence may reach the threshold, to skip the fit elsewhere.

    The evidence is measured against the best-fitting pair of shares; against any other pair, such
    as this one, it is larger. Not above the limit, it is below 0.
    """
    first, of_first, second, of_second = counts
    together = of_first + of_second
    share = np.clip((first + second - limit * of_second) / together, 1e-4, 1 - limit - 1e-4)
    asked: Bools = second * of_first - first * of_second > limit * of_first * of_second
    most = np.full(first.shape, -np.inf)
    arms = ((first, of_first, share), (second, of_second, share + limit))
    most[asked] = sum(
        special.betaln(hit[asked] + 0.5, of[asked] - hit[asked] + 0.5)
        - np.log(np.pi)
        - special.xlogy(hit[asked], at[asked])
        - special.xlog1py(of[asked] - hit[asked], -at[asked])
        for hit, of, at in arms
    )
    reached: Bools = most >= -np.log(alpha)
    return reached


def watch_shares(
    random: np.random.Generator,
    streams: int,
    requests: int,
    *,
    split: float,
    champion: float,
    challenger: float,
    limit: float,
    alpha: float,
) -> NDArray[np.int64]:
    """Return the number of requests after which each stream shows an increase above the limit."""
    found = []
    for start in range(0, streams, CHUNK):
        shape = (min(CHUNK, streams - start), requests)
        is_challenger = random.random(shape, dtype=np.float32) < split
        chance = np.where(is_challenger, np.float32(challenger), np.float32(champion))
        event = random.random(shape, dtype=np.float32) < chance
        of_second = is_challenger.cumsum(axis=1, dtype=np.int32)
        second = (event & is_challenger).cumsum(axis=1, dtype=np.int32)
        first = event.cumsum(axis=1, dtype=np.int32) - second
        of_first = np.arange(1, requests + 1, dtype=np.int32) - of_second
        counts = [each.astype(np.float64) for each in (first, of_first, second, of_second)]
        asked = may_cross(counts, limit, alpha)
        crossed = np.zeros(shape, dtype=bool)
        one, of_one, other, of_other = (each[asked] for each in counts)
        shown = weigh_increase(one, of_one, other, of_other, limit)
        crossed[asked] = shown >= -np.log(alpha)
        found.append(find_first(crossed))
    return np.concatenate(found)


def watch_means(
    random: np.random.Generator,
    streams: int,
    requests: int,
    *,
    split: float,
    champion: Draw,
    challenger: Draw,
    margin: float,
    alpha_harm: float,
    alpha_better: float,
    min_labels: int,
) -> Crossings:
    """Return when each stream shows a mean above the margin, and when one below it."""
    harm, better = [], []
    for start in range(0, streams, CHUNK):
        shape = (min(CHUNK, streams - start), requests)
        is_challenger = random.random(shape) < split
        values = np.where(is_challenger, challenger(random, shape), champion(random, shape))
        sums = [
            Sums(
                *(
                    each.cumsum(axis=1)[..., None]
                    for each in (own * 1.0, own * values, own * values**2)
                )
            )
            for own in (~is_challenger, is_challenger)
        ]
        enough = np.minimum(*(np.asarray(each.count)[..., 0] for each in sums)) >= min_labels
        gap, variance = subtract_means(*sums)
        gap, variance = np.where(enough, gap, 0.0), np.where(enough, variance, np.inf)
        harm.append(find_first(gap - find_reach(variance, margin, alpha_harm) > margin))
        better.append(find_first(gap + find_reach(variance, margin, alpha_better) < margin))
    return Crossings(harm=np.concatenate(harm), better=np.concatenate(better))
