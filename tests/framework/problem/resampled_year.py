"""Weeks of flights without drift: days of 2013, sampled with replacement.

Weeks, and the three weeks of a baseline, have one day of each weekday per week. They differ only
by chance: weather, storms, the flights themselves. The statistics of a window are summed from its
days, so that thousands of weeks take seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from flight_delays.config.monitoring import MonitoringPolicy
from flight_delays.monitoring.assess import assess
from flight_delays.monitoring.signals import Signal, Window, list_signals
from flight_delays.monitoring.verdicts import Verdict
from flight_delays.problem import PROBLEM

from tests.problem.conftest import Tables

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.intp]
DAYS, WEEK, BASELINE, GRID = 365, 7, 21, 256
# The model is trained on one of this many rows.
LEARNED = 4
BINS = np.linspace(0, 1, 1001)
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
# The statistic of each window, and its number of rows.
Series = Mapping[tuple[str, str, str], tuple[Floats, Floats]]


def join_features(sources: Tables) -> pd.DataFrame:
    """Return landed flights with most of their features, computed without Spark.

    Weather is the latest known, delays are those of landings up to three hours before.
    """
    outcomes = sources["outcomes"]
    landed = outcomes[outcomes["status"] == "landed"].sort_values("known_at")
    rows = sources["flights"].merge(landed[["flight_id", "late"]], on="flight_id")
    schedule = sources["schedule"]
    schedule["origin_departures_in_hour"] = schedule.groupby(["origin", "time_hour"])[
        "flight_id"
    ].transform("size")
    took = schedule["scheduled_arrival_at"] - schedule["decision_at"]
    schedule["block_minutes"] = took.dt.total_seconds() / 60
    timetable = [
        "departure_minute",
        "arrival_minute",
        "day_of_week",
        "block_minutes",
        "distance",
        "origin_departures_in_hour",
    ]
    rows = rows.merge(schedule[["flight_id", *timetable]], on="flight_id")
    rows = rows.merge(sources["planes"][["tailnum", "engine", "year_built", "seats"]], how="left")
    rows = rows.sort_values("decision_at")
    names = {
        "temp": "temperature",
        "humid": "humidity",
        "wind_speed": "wind_speed",
        "precip": "precipitation",
        "pressure": "pressure",
        "visib": "visibility",
    }
    weather = sources["weather"].rename(columns=names).sort_values("known_at")
    rows = pd.merge_asof(
        rows,
        weather[["origin", "known_at", *names.values()]],
        left_on="decision_at",
        right_on="known_at",
        by="origin",
        tolerance=pd.Timedelta(hours=6),
    )
    for name, hours in (("landed", 0), ("before", 3)):
        sums = landed.assign(landed=1.0, at=landed["known_at"] + pd.Timedelta(hours=hours))
        sums[["late", "landed"]] = sums.groupby("origin")[["late", "landed"]].cumsum()
        sums = sums[["origin", "at", "late", "landed"]].add_suffix(f"_{name}")
        rows = pd.merge_asof(
            rows,
            sums,
            left_on="decision_at",
            right_on=f"at_{name}",
            left_by="origin",
            right_by=f"origin_{name}",
        )
    flights = rows["landed_landed"] - rows["landed_before"]
    late = rows["late_landed"] - rows["late_before"]
    rows["origin_late_share_3h"] = (late / flights).where(flights > 0)
    return rows.reset_index(drop=True)


def score(rows: pd.DataFrame, numerical: Sequence[str], seed: int = 0) -> Floats:
    """Return the out-of-sample probability of each row by a small model."""
    folds = np.random.default_rng(seed).integers(0, 2, DAYS)[find_days(rows)]
    codes = {name: pd.factorize(rows[name])[0] for name in ("carrier", "origin")}
    inputs = rows[list(numerical)].assign(**codes)
    found = np.empty(len(rows))
    for fold in (0, 1):
        learned = np.flatnonzero(folds != fold)[::LEARNED]
        model = HistGradientBoostingClassifier(
            max_iter=40, max_leaf_nodes=16, min_samples_leaf=100, random_state=seed
        )
        model.fit(inputs.iloc[learned], rows["late"].iloc[learned])
        found[folds == fold] = model.predict_proba(inputs[folds == fold])[:, 1]
    return found


def find_days(rows: pd.DataFrame) -> Days:
    """Return the local day of the year of each row, starting at 0."""
    decided = rows["decision_at"]
    if decided.dt.tz is None:
        decided = decided.dt.tz_localize("UTC")
    local = decided.dt.tz_convert(PROBLEM.time_zone)
    days: Days = local.dt.dayofyear.to_numpy(dtype=np.intp) - 1
    return days


@dataclass(frozen=True, kw_only=True, eq=False)
class Year:
    """The simulated log of a year.

    Attributes:
        rows: Features.
        scores: Predictions.
        labels: Labels.
        numerical: Numerical features.
        categorical: Categorical features.
    """

    rows: pd.DataFrame
    scores: Floats
    labels: Floats
    numerical: tuple[str, ...]
    categorical: tuple[str, ...]

    @cached_property
    def days(self) -> Days:
        """The day of each row."""
        return find_days(self.rows)

    @cached_property
    def size(self) -> Floats:
        """The number of rows of each day."""
        return np.bincount(self.days, minlength=DAYS).astype(np.float64)

    @cached_property
    def grids(self) -> Mapping[str, Any]:
        """The values or quantiles at which each feature is counted."""
        found: dict[str, Any] = {}
        for name in self.numerical:
            values = self.rows[name].dropna().to_numpy(dtype=np.float64)
            found[name] = np.unique(np.quantile(values, np.linspace(0, 1, GRID)))
        for name in self.categorical:
            found[name] = pd.Index(self.rows[name].dropna().unique())
        return found

    @cached_property
    def counts(self) -> Mapping[str, Floats]:
        """The counts by feature, day and value."""
        return {name: self.count(name, grid) for name, grid in self.grids.items()}

    def count(self, name: str, grid: Any) -> Floats:
        """Return the counts of each day at each value of a grid, and between them."""
        column = self.rows[name]
        if name in self.categorical:
            at, bins = grid.get_indexer(column), len(grid) + 1
            at = np.where(at < 0, len(grid), at)
        else:
            bins = 2 * len(grid) + 1
            values = column.to_numpy(dtype=np.float64)
            left, right = (np.searchsorted(grid, values, side=s) for s in ("left", "right"))
            at = left + right
        there = column.notna().to_numpy()
        counted: Floats = np.zeros((DAYS, bins))
        np.add.at(counted, (self.days[there], at[there]), 1)
        return counted

    def histogram(self, weight: Floats | None = None) -> Floats:
        """Return the histogram of the scores of each day."""
        at = np.searchsorted(BINS, self.scores)
        flat = np.bincount(self.days * BINS.size + at, weight, DAYS * BINS.size)
        return flat.astype(np.float64).reshape(DAYS, BINS.size)


def draw(random: np.random.Generator, windows: int, days: int) -> Days:
    """Sample windows of days that keep the weekdays."""
    pools = [np.arange((day - 1) % WEEK, DAYS, WEEK) for day in range(WEEK)]
    found = np.empty((windows, days), dtype=np.intp)
    for day in range(days):
        found[:, day] = random.choice(pools[day % WEEK], windows)
    return found


def measure(year: Year, weeks: Days, true: Year, baseline: Days) -> Series:
    """Return the statistics of weeks against a baseline of days of the true year."""
    found: dict[tuple[str, str, str], tuple[Floats, Floats]] = {}
    rows = year.size[weeks].sum(axis=1)
    for name in (*year.numerical, *year.categorical):
        theirs = true.counts[name]
        ours = theirs if year.rows is true.rows else year.count(name, true.grids[name])
        window, base = ours[weeks].sum(axis=1), theirs[baseline].sum(axis=0)
        if name in year.numerical:
            found["numerical_drift", "ks_test", name] = (find_ks(window, base), rows)
        else:
            found["categorical_drift", "js_distance", name] = (find_js(window, base), rows)
        found["nulls", "share", name] = (1 - window.sum(axis=1) / rows, rows)
    window = year.histogram()[weeks].sum(axis=1)
    base = true.histogram()[baseline].sum(axis=0)
    found["score_drift", "ks_test", ""] = (find_ks(window, base), rows)
    bins = np.minimum((year.scores * 10).astype(np.intp), 9)
    gaps = np.bincount(year.days * 10 + bins, year.labels - year.scores, DAYS * 10)
    gaps = np.abs(gaps.reshape(DAYS, 10)[weeks].sum(axis=1)).sum(axis=1)
    found["quality", "calibration_error", ""] = (gaps / rows, rows)
    late, timely = (
        year.histogram(weight)[weeks].sum(axis=1) for weight in (year.labels, 1 - year.labels)
    )
    below = np.cumsum(timely, axis=1) - timely / 2
    pairs = late.sum(axis=1) * timely.sum(axis=1)
    found["quality", "auc", ""] = ((late * below).sum(axis=1) / pairs, rows)
    usual = np.array(
        [np.median(rows[max(0, n - 8) : n]) if n else rows[0] for n in range(len(rows))]
    )
    found["volume", "ratio", ""] = (rows / usual, rows)
    return found


def find_ks(windows: Floats, baseline: Floats) -> Floats:
    """Return the Kolmogorov-Smirnov statistic of each window."""
    ours = np.cumsum(windows, axis=1) / windows.sum(axis=1, keepdims=True)
    distances: Floats = np.abs(ours - np.cumsum(baseline) / baseline.sum()).max(axis=1)
    return distances


def find_js(windows: Floats, baseline: Floats) -> Floats:
    """Return the Jensen-Shannon distance with the natural logarithm."""
    p = windows / windows.sum(axis=1, keepdims=True)
    q = np.broadcast_to(baseline / baseline.sum(), p.shape)
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        halves = [np.where(x > 0, x * np.log(x / middle), 0).sum(axis=1) for x in (p, q)]
    distances: Floats = np.sqrt(np.maximum(sum(halves) / 2, 0))
    return distances


def expect(year: Year, policy: MonitoringPolicy) -> tuple[Signal, ...]:
    """Return the signals that can be computed from this log."""
    return list_signals(
        policy,
        PROBLEM.model_type,
        numerical=year.numerical,
        categorical=year.categorical,
        tables=[table.name for table in PROBLEM.feature_tables],
        endpoint=True,
        online=True,
        compared=True,
        sources=("batch",),
    )


def assess_weeks(
    series: Series, expected: Sequence[Signal], policy: MonitoringPolicy, reach: int = 4
) -> list[Verdict]:
    """Return the verdict a day after the end of each week, from it and the previous weeks.

    Signals that are not in the series, such as errors of an endpoint, are 0.
    """
    count = next(iter(series.values()))[0].size
    starts = [MONDAY + timedelta(days=WEEK * at) for at in range(count + 1)]
    windows = {
        key: [
            Window(start=start, end=end, rows=int(size), value=float(value))
            for start, end, size, value in zip(starts, starts[1:], rows, values, strict=False)
        ]
        for key, (values, rows) in series.items()
    }
    found = []
    for week in range(1, count + 1):
        now = starts[week] + timedelta(days=1)
        sound = (Window(start=starts[week], end=now, rows=10_000, value=0.0),)
        signals = []
        for signal in expected:
            key = (signal.kind, signal.statistic, signal.subject)
            seen = tuple(windows[key][max(0, week - reach) : week]) if key in windows else sound
            signals.append(replace(signal, windows=seen))
        found.append(
            assess(
                signals,
                policy,
                expected=expected,
                now=now,
                active_trainings=0,
                last_training=None,
            )
        )
    return found
