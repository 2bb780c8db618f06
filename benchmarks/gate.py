"""Replay the gate's rules on a year of Mondays, and estimate their error rates.

Needs no account. The product's tasks compute the year's tables in a temporary workspace. For each
Monday, two models that differ only in their seed are trained, and the rules are replayed on them.
About twenty minutes on two cores. The script fails if a rate is above its limit.

    python -m benchmarks.gate                  print the tables
    python -m benchmarks.gate --write          write them into benchmarks/results/, plots into docs/
    python -m benchmarks.gate --keep FOLDER    keep rows and predictions, and reuse them
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from laptop import connection
from laptop.state_dir import StateDir

from benchmarks.freshness import JUDGED, collect
from benchmarks.gate_models import HOLDOUTS, MONDAYS, SEEDS, cut, fit_all
from benchmarks.gate_plots import draw_chances, draw_year
from benchmarks.gate_rates import pair_seeds, pair_weeks, simulate
from benchmarks.gate_replay import (
    CHOSEN,
    POLICY,
    RULES,
    Leaked,
    Replay,
    Year,
)
from flight_delays.config.policy import load_policy
from flight_delays.evaluation.curves import measure_slices
from flight_delays.problem import PROBLEM

RESULTS = Path(__file__).parent / "results" / "gate.md"
BAR = 0.03
ALWAYS, SUPERIORITY = "always the newest", "superiority"
# Holdouts in the plots, that of the policy first.
SHOWN = (21, 28)
GAINS = np.linspace(-0.006, 0.01, 33)


def main() -> int:
    """Replay, print the tables, and return 1 if a rate is above its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write results and plots, too")
    parser.add_argument("--keep", type=Path, help="folder that keeps rows and predictions")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        file = folder / f"{JUDGED}.parquet"
        if not file.exists():
            home = StateDir(Path(temporary) / "home")
            collect(home, folder)
            connection.stop(home)
        rows = pd.read_parquet(file)
        replay = Replay(rows, fit_all(rows, folder / "models"))
    years = [
        replay.run_year(rule, days, seed) for days in HOLDOUTS for rule in RULES for seed in SEEDS
    ]
    leaks = [each for days in HOLDOUTS for each in replay.meet_leaks(days)]
    rates = measure_rates(replay)
    text = write(replay, years, leaks, rates)
    print(text)
    if given.write:
        RESULTS.write_text(text, encoding="utf-8")
        draw(replay, years)
    missed = [
        f"{name}, {days} days held out: {max(shares.values()):.2%}"
        for (name, days), shares in rates.items()
        if max(shares.values()) > BAR
    ]
    for each in missed:
        print(f"Above {BAR:.0%}: {each}", file=sys.stderr)
    return 1 if missed else 0


EQUAL, WORSE, WORSE_MONTH = (
    "equal model, promoted by superiority",
    "model of the next week, worse by the margin, promoted by non-inferiority",
    "model of four weeks later, worse by the margin, promoted by non-inferiority",
)


def measure_rates(replay: Replay) -> Mapping[tuple[str, int], Mapping[str, float]]:
    """Return the rate of each error by days of the holdout."""
    seeds, margin = pair_seeds(replay), POLICY.margin
    apart = {WORSE: pair_weeks(replay, 1), WORSE_MONTH: pair_weeks(replay, 4)}
    rates = {}
    for days in HOLDOUTS:
        rates[EQUAL, days] = simulate(seeds, days, 0.0, POLICY.min_gain)
        for name, pairs in apart.items():
            rates[name, days] = simulate(pairs, days, -margin, -margin)
    return rates


def draw(replay: Replay, years: Sequence[Year]) -> None:
    """Plot the year by rule, and the probability of a promotion by the true gain."""
    by = {(year.rule, year.days): year for year in reversed(years)}  # the first seed
    shown = [by[rule, days] for rule in (CHOSEN, SUPERIORITY) for days in SHOWN]
    draw_year(shown, by[ALWAYS, SHOWN[0]], "gate-year")
    pairs = pair_weeks(replay, 1)
    chances = {
        f"{rule}, {days // 7} weeks held out": [
            simulate(pairs, days, gain, bound)["days"] for gain in GAINS
        ]
        for rule, bound in (("non-inferiority", -POLICY.margin), (SUPERIORITY, POLICY.min_gain))
        for days in SHOWN
    }
    draw_chances([float(gain) for gain in GAINS], chances, (-POLICY.margin, 0.0), "gate-chance")


def write(
    replay: Replay,
    years: Sequence[Year],
    leaks: Sequence[Leaked],
    rates: Mapping[tuple[str, int], Mapping[str, float]],
) -> str:
    """Return the tables as Markdown."""
    return "\n".join(
        [
            "# What the gate's rules are worth",
            "",
            f"Measured on {datetime.now(UTC):%Y-%m-%d} by `python -m benchmarks.gate --write` on "
            f"all flights of 2013: {len(MONDAYS) - 1} Mondays, two models each that differ in "
            "their seed. The loss is the log loss of the weeks that follow, of the Champion; "
            "lower is better. Both seeds, first / second.",
            "",
            *write_years(years),
            "",
            "The last column is the literal difference to the Champion's own loss at its "
            "validation, which the seasons move. Honest models against a Champion of some weeks "
            f"before, and how many have an excess above `max_gain`, {POLICY.max_gain}:",
            "",
            *write_excesses(replay),
            "",
            "With a leak (an input that knows the label), against the Champion of the week before:",
            "",
            *write_leaks(leaks),
            "",
            "A first model against the heuristic baseline:",
            "",
            *write_firsts(replay),
            "",
            f"How often each error is made, by simulation on real days of pairs of models (bar "
            f"{BAR:.0%}): days drawn singly, and runs of days, in which the season drifts:",
            "",
            *write_rates(rates),
            "",
            *(
                f"On the real holdouts of {days} days, {ups} of {looks} looks promote an equal "
                "model by superiority."
                for days in HOLDOUTS
                for ups, looks in [replay.count_equal(days)]
            ),
            "",
            "What an honest model reaches on these holdouts, least and most of all Mondays:",
            "",
            *write_figures(replay),
            "",
        ]
    )


def write_years(years: Sequence[Year]) -> list[str]:
    """Return a table of the results of each rule."""
    lines = [
        "| rule | days held out | loss | promotions | longest reign, weeks | highest lower bound "
        "| most excess | own loss less the loss now |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for first, second in zip(years[::2], years[1::2], strict=True):
        cells = [
            f"{first.loss:.4f} / {second.loss:.4f}",
            f"{first.promotions} / {second.promotions}",
            f"{first.longest} / {second.longest}",
            *(
                f"{max(getattr(first, name), getattr(second, name)):.4f}"
                for name in ("low", "excess", "apart")
            ),
        ]
        lines.append(f"| {first.rule} | {first.days} | {' | '.join(cells)} |")
    return lines


def write_excesses(replay: Replay) -> list[str]:
    """Return a table of lower bounds of the gain of models without a leak."""
    lines = [
        "| days held out | weeks apart | looks | highest lower bound | most excess | too good |",
        "|---|---|---|---|---|---|",
    ]
    for days in HOLDOUTS:
        for weeks in (1, 4, 8, 13):
            lows, excesses = replay.find_excesses(days, weeks)
            above = sum(excess > POLICY.max_gain for excess in excesses)
            most = f"{max(lows):.4f} | {max(excesses):.4f}"
            lines.append(f"| {days} | {weeks} | {len(lows)} | {most} | {above} |")
    return lines


def write_firsts(replay: Replay) -> list[str]:
    """Return a table of first models compared with the heuristic baseline."""
    lines = [
        "| days held out | lower bounds at or below 0 | lowest | median |",
        "|---|---|---|---|",
    ]
    for days in HOLDOUTS:
        lows = [replay.meet_heuristic(monday, days).low for monday in MONDAYS]
        refused = sum(low <= 0 for low in lows)
        lines.append(
            f"| {days} | {refused} of {len(lows)} | {min(lows):.4f} | {np.median(lows):.4f} |"
        )
    return lines


def write_leaks(leaks: Sequence[Leaked]) -> list[str]:
    """Return a table of the leaking challengers."""
    return [
        "| days held out | Monday | area under the curve | lower bound | excess |",
        "|---|---|---|---|---|",
        *(
            f"| {each.days} | {each.monday:%Y-%m-%d} | {each.auc:.3f} | {each.low:.3f} "
            f"| {each.excess:.3f} |"
            for each in leaks
        ),
    ]


def write_rates(rates: Mapping[tuple[str, int], Mapping[str, float]]) -> list[str]:
    """Return a table of error rates."""
    return [
        "| error | days held out | single days | runs of days |",
        "|---|---|---|---|",
        *(
            f"| {name} | {days} | {shares['days']:.1%} | {shares['runs']:.1%} |"
            for (name, days), shares in rates.items()
        ),
    ]


def write_figures(replay: Replay) -> list[str]:
    """Return a table of the range of each metric with a bound in the policy."""
    policy = load_policy("policy", PROBLEM.model_type).validation
    slices = policy.slices
    assert slices is not None
    lines = ["| days held out | metric | least | most |", "|---|---|---|---|"]
    for days in HOLDOUTS:
        found: dict[str, list[float]] = {}
        for monday in MONDAYS:
            at = replay.holdout(monday, days)
            labels = replay.labels[at]
            predictions = replay.predictions[cut(monday, days), str(SEEDS[0])][at]
            measured = PROBLEM.model_type.measure(labels, predictions)
            worst = min(
                each.figure or 0.0
                for each in measure_slices(
                    labels,
                    predictions,
                    {name: replay.rows[name][at] for name in slices.columns},
                    metric=PROBLEM.model_type.require_metric(slices.metric),
                    min_rows=slices.min_rows,
                )
            )
            name = f"worst {slices.metric} of a slice of {slices.min_rows:,} rows"
            for each, figure in {**measured, name: worst, "rows": float(labels.size)}.items():
                found.setdefault(each, []).append(figure or 0.0)
        lines += [f"| {days} | {n} | {min(f):,.4g} | {max(f):,.4g} |" for n, f in found.items()]
    return lines


if __name__ == "__main__":
    sys.exit(main())
