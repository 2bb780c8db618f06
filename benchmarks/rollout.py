"""Error rates of a roll-out, and the requests needed to detect harm or confirm quality.

Needs no account and no data: requests are simulated. Each stream is tested after every request
with the project's bounds and policy. The script fails if a rate is above its limit.

    python -m benchmarks.rollout                    print the tables
    python -m benchmarks.rollout --write            also write them and a plot
    python -m benchmarks.rollout --streams 2000     fewer streams for the rates, for a quick run
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks.rollout_plots import draw_power
from flight_delays.config.rollout import load_rollout
from flight_delays.problem import PROBLEM

from tests.framework.unit.promotion.streams import (
    certain_mistakes,
    log_losses,
    watch_means,
    watch_shares,
)

RESULTS = Path(__file__).parent / "results" / "rollout.md"
POLICY = load_rollout(PROBLEM.model_type).model_copy(update={"mode": "gradual"})
STREAMS, REQUESTS = 10_000, 1000
# Numbers of streams and requests to estimate power.
TRIED, LONG = 100, 10_000
LIMIT = 0.01
SHARES = np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.2])
# Number of parts that the policy's alpha is divided into.
PARTS = len(POLICY.guardrails.names) + (POLICY.quality is not None)
GUARDED = POLICY.alpha / 2 / PARTS / len(POLICY.judged_steps)
BASE = 0.001


def main() -> int:
    """Simulate, print the tables, and return 1 if a rate is above its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write results and plots, too")
    parser.add_argument("--streams", type=int, default=STREAMS, help="streams for each rate")
    given = parser.parse_args()
    began = time.perf_counter()
    rates = measure_rates(given.streams)
    took = time.perf_counter() - began
    power = {split: measure_power(split) for split in (0.05, 0.5)}
    sizes = measure_sizes()
    text = write(given.streams, rates, took, power, sizes)
    print(text)
    if given.write:
        RESULTS.write_text(text, encoding="utf-8")
        draw_power(SHARES, power, LIMIT, "rollout-power")
    missed = [name for name, (rate, bar) in rates.items() if rate > bar]
    for name in missed:
        print(f"Above its bar: {name}", file=sys.stderr)
    return 1 if missed else 0


def measure_rates(streams: int) -> Mapping[str, tuple[float, float]]:
    """Return the rate of each error over all looks, and its limit."""
    random = np.random.default_rng(0)
    found = {}
    for champion, challenger, limit in ((0.001, 0.001, 0.0), (0.001, 0.011, 0.01), (0.3, 0.5, 0.2)):
        for split in (0.05, 0.5):
            first = watch_shares(
                random,
                streams,
                REQUESTS,
                split=split,
                champion=champion,
                challenger=challenger,
                limit=limit,
                alpha=POLICY.alpha,
            )
            name = f"harm: shares {champion:.1%} and {challenger:.1%}, limit {limit:g}, {split:.0%}"
            found[name] = (float((first >= 0).mean()), POLICY.alpha)
    half = POLICY.alpha / 2
    for kind, champion_losses, challenger_losses, margin in (
        ("log loss, worse by the margin", log_losses(0.0), log_losses(0.05), 0.05),
        ("1 % and 2 % certain mistakes", certain_mistakes(0.01), certain_mistakes(0.02), 0.16),
    ):
        for split in (0.2, 0.5):
            means = watch_means(
                random,
                streams,
                REQUESTS,
                split=split,
                champion=champion_losses,
                challenger=challenger_losses,
                margin=margin,
                alpha_harm=half,
                alpha_better=half,
                min_labels=100,
            )
            for side, crossed in (("harm", means.harm), ("not worse", means.better)):
                found[f"{side}: {kind}, {split:.0%}"] = (float((crossed >= 0).mean()), half)
    return found


def measure_power(split: float) -> Mapping[str, Sequence[float]]:
    """Return the share of streams with detected harm, by the Challenger's failure rate.

    The fixed test looks once, at the end, at the same alpha: an upper bound of the power.
    """
    random = np.random.default_rng(1)
    always, once, median = [], [], []
    for share in SHARES:
        first = watch_shares(
            random,
            TRIED,
            LONG,
            split=split,
            champion=BASE,
            challenger=float(share),
            limit=LIMIT,
            alpha=GUARDED,
        )
        crossed = first >= 0
        always.append(float(crossed.mean()))
        once.append(fixed_power(float(share), split * LONG, (1 - split) * LONG))
        median.append(float(np.median(first[crossed] + 1)) if crossed.mean() >= 0.5 else np.nan)
    return {"at every request": always, "once, at the end": once, "median": median}


def fixed_power(share: float, challenger: float, champion: float) -> float:
    """Return the power of a two-proportion test with a single look."""
    error = np.sqrt(share * (1 - share) / challenger + BASE * (1 - BASE) / champion)
    away = (share - BASE - LIMIT) / error
    return float(stats.norm.cdf(away - stats.norm.ppf(1 - GUARDED)))


def measure_sizes() -> Mapping[tuple[float, float], tuple[float, float, float]]:
    """Return the number of requests that show non-inferiority of an equal Challenger.

    For each margin and split: the share of streams that show it, and the median and 90 % quantile
    of their labelled requests of both arms.
    """
    random = np.random.default_rng(2)
    found = {}
    for margin, requests in ((0.05, 12_000), (0.1, 6_000), (0.2, 4_000)):
        for split in (0.25, 0.5):
            better = watch_means(
                random,
                TRIED,
                requests,
                split=split,
                champion=log_losses(0.0),
                challenger=log_losses(0.0),
                margin=margin,
                alpha_harm=POLICY.alpha / 2 / PARTS,
                alpha_better=POLICY.alpha / 2,
                min_labels=200,
            ).better
            reached = np.where(better >= 0, better + 1.0, np.inf)
            median, most = np.quantile(reached, (0.5, 0.9), method="higher")
            found[margin, split] = (float((better >= 0).mean()), float(median), float(most))
    return found


def write(
    streams: int,
    rates: Mapping[str, tuple[float, float]],
    took: float,
    power: Mapping[float, Mapping[str, Sequence[float]]],
    sizes: Mapping[tuple[float, float], tuple[float, float, float]],
) -> str:
    """Return the tables as Markdown."""
    lines = [
        "# How often a roll-out errs, and how soon it finds harm",
        "",
        f"Measured on {datetime.now(UTC):%Y-%m-%d} by `python -m benchmarks.rollout --write`. "
        f"{streams:,} streams each, {REQUESTS:,} requests, looked at after every one; "
        f"{took:,.0f} s for all rates.",
        "",
        "| error, share of the traffic | found | allowed |",
        "|---|--:|--:|",
        *(f"| {name} | {rate:.2%} | {bar:.2%} |" for name, (rate, bar) in rates.items()),
        "",
        f"Failed requests: Champion {BASE:.1%}, limit {LIMIT:g}, alpha {GUARDED:.5f} (a guardrail "
        f"of {PARTS} at one of {len(POLICY.judged_steps)} steps), {LONG:,} requests of both arms, "
        f"{TRIED} streams. The fixed test looks once, at the end.",
        "",
        "| share of the traffic | Challenger fails | shown at any request | fixed test | "
        "median requests of the Challenger |",
        "|--:|--:|--:|--:|--:|",
    ]
    for split, each in power.items():
        for at, share in enumerate(SHARES):
            median = each["median"][at]
            shown = "" if np.isnan(median) else f"{split * median:,.0f}"
            lines.append(
                f"| {split:.0%} | {share:.1%} | {each['at every request'][at]:.0%} | "
                f"{each['once, at the end'][at]:.0%} | {shown} |"
            )
    lines += [
        "",
        "Labels of both arms until a Challenger of equal log loss is shown not to be worse by the "
        "margin (standard deviation of a row's loss "
        f"{log_losses(0.0)(np.random.default_rng(0), (1, 100_000)).std():.2f}):",
        "",
        "| margin | share of the traffic | shown | median | 90 % |",
        "|--:|--:|--:|--:|--:|",
        *(
            f"| {margin:g} | {split:.0%} | {shown:.0%} | {median:,.0f} | {most:,.0f} |"
            for (margin, split), (shown, median, most) in sizes.items()
        ),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
