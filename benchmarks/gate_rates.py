"""Simulate the gate's error rates on real days of pairs of models."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.gate_models import CUTS, SEEDS
from benchmarks.gate_replay import POLICY, WEEK, Replay

DRAWS = 400


@cache
def quantile(days: int) -> float:
    """Return the quantile of Student's t for the confidence interval."""
    return float(stats.t.ppf((1 + POLICY.confidence) / 2, days - 1))


def simulate(
    pairs: Sequence[pd.DataFrame], days: int, truth: float, bound: float
) -> dict[str, float]:
    """Return how often the lower bound exceeds the required one, for a known true gain.

    The real days of each pair of models are shifted so that their mean over three months is the
    true gain. Sampled are single days, and runs of consecutive days as in a holdout, with their
    autocorrelation and seasonal drift.
    """
    random = np.random.default_rng(0)
    ups: dict[str, list[bool]] = {"days": [], "runs": []}
    for pair in pairs:
        sums, rows = pair["sum"].to_numpy(), pair["size"].to_numpy(float)
        sums = sums + (truth - sums.sum() / rows.sum()) * rows
        if sums.size < 2 * days:
            continue
        runs = np.arange(sums.size - days + 1)[:, None] + np.arange(days)
        drawn = random.integers(sums.size, size=(DRAWS, days))
        for name, chosen in (("days", drawn), ("runs", runs)):
            s, r = sums[chosen], rows[chosen]
            mean = s.sum(axis=1) / r.sum(axis=1)
            spread = ((s - mean[:, None] * r) ** 2).sum(axis=1)
            error = np.sqrt(days / (days - 1) * spread) / r.sum(axis=1)
            ups[name] += list(mean - quantile(days) * error > bound)
    return {name: float(np.mean(each)) for name, each in ups.items()}


def pair_seeds(replay: Replay) -> list[pd.DataFrame]:
    """Return the days of pairs of models that differ only in the seed, in both roles."""
    first, second = map(str, SEEDS)
    return [
        replay.sum_days((at, ours), (at, theirs))
        for at in CUTS
        for ours, theirs in ((first, second), (second, first))
    ]


def pair_weeks(replay: Replay, weeks: int) -> list[pd.DataFrame]:
    """Return the days of pairs of models trained some weeks apart."""
    return [
        replay.sum_days((at, str(seed)), (at - weeks * WEEK, str(seed)))
        for at in CUTS
        if at - weeks * WEEK in CUTS
        for seed in SEEDS
    ]
