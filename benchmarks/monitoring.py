"""False alarms of monitoring, and the smallest faults that it detects.

Needs no account. The product's tasks compute the year's tables in a temporary workspace, the
product's model scores days outside its training data, and weeks are sampled from these days. About
ten minutes on two cores. The script fails if there is more than one false alarm in twenty years.

    python -m benchmarks.monitoring                  print the tables
    python -m benchmarks.monitoring --write          write them into benchmarks/results/
    python -m benchmarks.monitoring --keep FOLDER    keep rows and scores, and reuse them
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from laptop import connection
from laptop.state_dir import StateDir

from benchmarks.freshness import JUDGED, collect
from flight_delays.config.loading import load_configuration
from flight_delays.config.monitoring import MonitoringPolicy, load_monitoring
from flight_delays.monitoring.verdicts import Healthy, Verdict
from flight_delays.problem import PROBLEM

from tests.framework.problem.broken_years import (
    drop,
    empty,
    lose_late,
    multiply,
    scale,
    sharpen,
    shuffle,
    turn_late,
)
from tests.framework.problem.resampled_year import (
    BASELINE,
    DAYS,
    WEEK,
    Floats,
    Series,
    Year,
    assess_weeks,
    draw,
    expect,
    find_days,
    measure,
)

RESULTS = Path(__file__).parent / "results" / "monitoring.md"
YEARS, SEEDS = 20, range(10)
# Number of weeks in which a fault starts, and the share that must be reported.
TRIED, CAUGHT = 40, 0.95
# First days of the months, each compared with the three weeks before it.
MONTHS = [date.dayofyear - 1 for date in pd.date_range("2013-02-01", "2013-12-01", freq="MS")]

Faults = Sequence[tuple[str, Callable[[Year], Year]]]
# From small to large.
FAULTS: Mapping[str, Faults] = {
    "distance multiplied": [
        (f"by {by}", partial(multiply, feature="distance", factor=by))
        for by in (1.1, 1.3, 1.4, 1.6)
    ],
    "arrival_minute multiplied": [
        (f"by {by}", partial(multiply, feature="arrival_minute", factor=by))
        for by in (1.1, 1.2, 1.3, 1.6)
    ],
    "visibility multiplied": [
        (f"by {by}", partial(multiply, feature="visibility", factor=by)) for by in (1.6, 10, 1609)
    ],
    "pressure multiplied": [
        (f"by {by}", partial(multiply, feature="pressure", factor=by)) for by in (1.02, 1.05, 1.1)
    ],
    "seats missing": [
        (f"in {share:.0%} of all rows", partial(empty, feature="seats", share=share))
        for share in (0.2, 0.3, 0.4)
    ],
    "distance missing": [
        (f"in {share:.0%} of all rows", partial(empty, feature="distance", share=share))
        for share in (0.3, 0.34, 0.36, 0.4)
    ],
    "a carrier gone": [
        (f"{code}, {share} of all flights", partial(drop, feature="carrier", category=code))
        for code, share in (("F9", "0.2 %"), ("VX", "1.6 %"), ("WN", "3.7 %"), ("9E", "5.3 %"))
    ],
    "flights in time that count as late": [
        (f"{share:.0%}", partial(turn_late, share=share)) for share in (0.05, 0.1, 0.15, 0.2, 0.3)
    ],
    "late flights that count as in time": [
        (f"{share:.0%}", partial(lose_late, share=share)) for share in (0.25, 0.5, 0.75, 1.0)
    ],
    "scores multiplied": [(f"by {by}", partial(scale, factor=by)) for by in (1.3, 1.6, 2.0, 3.0)],
    "scores divided": [(f"by {by}", partial(scale, factor=1 / by)) for by in (1.5, 2, 3, 5)],
    "log odds multiplied": [(f"by {by}", partial(sharpen, factor=by)) for by in (1.5, 2, 3, 4)],
    "scores of other rows": [
        (f"{share:.0%}", partial(shuffle, share=share)) for share in (0.25, 0.5, 0.75, 1.0)
    ],
}


def main() -> int:
    """Measure, print the tables, and return 1 if there are too many false alarms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write results, too")
    parser.add_argument("--keep", type=Path, help="folder that keeps rows and scores")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        year = read_year(folder, Path(temporary))
    policy = load_monitoring("monitoring", PROBLEM.model_type)
    drawn = [draw_years(year, seed) for seed in SEEDS]
    alarms = [alarm for series in drawn for alarm in find_alarms(year, policy, series)]
    text = write(year, policy, drawn, alarms)
    print(text)
    if given.write:
        RESULTS.write_text(text, encoding="utf-8")
    return int(len(alarms) > len(SEEDS))


def read_year(folder: Path, temporary: Path) -> Year:
    """Return the year's rows with out-of-sample scores."""
    file = folder / f"{JUDGED}.parquet"
    if not file.exists():
        home = StateDir(temporary / "home")
        collect(home, folder)
        connection.stop(home)
    rows = pd.read_parquet(file).sort_values(PROBLEM.spine.decision_at, ignore_index=True)
    kept = folder / "scores.npy"
    if not kept.exists():
        np.save(kept, score(rows))
    return Year(
        rows=rows,
        scores=np.load(kept),
        labels=rows[PROBLEM.label.column].to_numpy(dtype=np.float64),
        numerical=PROBLEM.numerical_columns,
        categorical=PROBLEM.categorical_columns,
    )


def score(rows: pd.DataFrame) -> Floats:
    """Score each third of the days with the product's model, trained on the others."""
    inputs, label = rows[list(PROBLEM.feature_columns)], rows[PROBLEM.label.column]
    folds = np.random.default_rng(0).integers(0, 3, DAYS)[find_days(rows)]
    found = np.empty(len(rows))
    for fold in range(3):
        model = PROBLEM.build_estimator(load_configuration("model", PROBLEM.hyperparameters))
        model.fit(inputs[folds != fold], label[folds != fold])
        found[folds == fold] = model.predict(inputs[folds == fold])
    return found


def draw_years(year: Year, seed: int) -> Series:
    """Return the measurements of twenty sampled years without changes."""
    random = np.random.default_rng(seed)
    baseline = draw(random, 1, BASELINE)[0]
    return measure(year, draw(random, YEARS * DAYS // WEEK, WEEK), year, baseline)


def find_alarms(year: Year, policy: MonitoringPolicy, series: Series) -> list[Verdict]:
    """Return the newly reported verdicts."""
    healthy = Healthy(reason="", figures=())
    verdicts = assess_weeks(series, expect(year, policy), policy)
    return [
        verdict
        for before, verdict in pairwise([healthy, *verdicts])
        if isinstance(before, Healthy) and not isinstance(verdict, Healthy)
    ]


def find_smallest(year: Year, policy: MonitoringPolicy, faults: Faults) -> tuple[str, str]:
    """Return the smallest fault reported after its first week, and the share of reports."""
    random = np.random.default_rng(1)
    baseline = draw(random, 1, BASELINE)[0]
    weeks = draw(random, TRIED, WEEK)
    expected = expect(year, policy)
    shares = []
    for name, fault in faults:
        # Earlier weeks are healthy, so each week is assessed alone.
        verdicts = assess_weeks(measure(fault(year), weeks, year, baseline), expected, policy, 1)
        share = np.mean([not isinstance(verdict, Healthy) for verdict in verdicts])
        shares.append(f"{name}: {share:.0%}")
        if share >= CAUGHT:
            return name, ", ".join(shares)
    return "none of these", ", ".join(shares)


def measure_year(year: Year) -> list[Series]:
    """Return the measurements of the real year, each month against the weeks before it."""
    found = []
    for first, after in pairwise([*MONTHS, DAYS]):
        starts = np.arange(first, after - WEEK + 1, WEEK)
        baseline = np.arange(first - BASELINE, first)
        found.append(measure(year, starts[:, None] + np.arange(WEEK), year, baseline))
    return found


def write(
    year: Year, policy: MonitoringPolicy, drawn: Sequence[Series], alarms: Sequence[Verdict]
) -> str:
    """Return the tables as Markdown."""
    actual = measure_year(year)
    years = YEARS * len(drawn)
    lines = [
        "# What monitoring reports where nothing has changed, and where something has",
        "",
        f"Measured on {datetime.now(UTC):%Y-%m-%d} by `python -m benchmarks.monitoring --write` on "
        f"all landed flights of 2013, with all features. {years} years of weeks, drawn from the "
        "year's days with replacement, a day for each weekday; the baseline is three such weeks.",
        "",
        f"False alarms (any verdict but Healthy, after a Healthy one): {len(alarms)} in {years} "
        f"years, in {len(SEEDS)} draws.",
        "",
        *(f"- {alarm.label}: {alarm.reason}" for alarm in alarms),
        "",
        "| signal | statistic | limit | drawn weeks: median | 99 % | 99.9 % | furthest | "
        "weeks of the year: furthest |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for signal in expect(year, policy):
        key = (signal.kind, signal.statistic, signal.subject)
        rule = policy.rule_of(signal.kind, signal.statistic)
        limit = rule.limit_of(signal.subject) if rule else None
        if key not in drawn[0] or limit is None:
            continue
        sign = 1 if limit.below is None else -1
        values = sign * np.concatenate([series[key][0] for series in drawn])
        real = sign * np.concatenate([series[key][0] for series in actual])
        figures = [*np.quantile(values, (0.5, 0.99, 0.999, 1)), real.max()]
        shown = " | ".join(f"{sign * figure:.3f}" for figure in figures)
        lines.append(f"| {signal.name} | {signal.statistic} | {limit.threshold:g} | {shown} |")
    lines += [
        "",
        "The smallest fault that is reported at the end of the week it began in, in "
        f"{CAUGHT:.0%} of {TRIED} weeks:",
        "",
        "| fault | smallest | reported in so many weeks |",
        "|---|---|---|",
    ]
    for name, faults in FAULTS.items():
        smallest, shares = find_smallest(year, policy, faults)
        lines.append(f"| {name} | {smallest} | {shares} |")
    return "\n".join((*lines, ""))


if __name__ == "__main__":
    sys.exit(main())
