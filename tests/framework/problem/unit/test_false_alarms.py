"""Nothing is reported without changes; faults are reported in the window they start in."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from flight_delays.config.monitoring import MonitoringPolicy, load_monitoring
from flight_delays.monitoring.assess import assess
from flight_delays.monitoring.signals import Signal, Window
from flight_delays.monitoring.verdicts import Blind, Healthy, Stale, Verdict, Watch
from flight_delays.problem import PROBLEM

from tests.framework.problem.broken_years import drop, empty, multiply, sharpen, turn_late
from tests.framework.problem.resampled_year import (
    BASELINE,
    WEEK,
    Year,
    assess_weeks,
    draw,
    expect,
    join_features,
    measure,
    score,
)
from tests.problem.conftest import read_sources

NUMERICAL = (
    "temperature",
    "humidity",
    "wind_speed",
    "precipitation",
    "pressure",
    "visibility",
    "departure_minute",
    "arrival_minute",
    "day_of_week",
    "block_minutes",
    "distance",
    "origin_departures_in_hour",
    "year_built",
    "seats",
    "origin_late_share_3h",
)
CATEGORICAL = ("carrier", "origin", "dest", "engine")
YEARS = 20
WEEKS = YEARS * 365 // WEEK
# Seeds of pull requests and of nightly runs.
SEEDS, NIGHTLY_SEEDS = range(1), range(1, 20)
# Weeks before a fault, and alternative first weeks with it.
BEFORE, BROKEN = 2, 15

Fault = Callable[[Year], Year]


@pytest.fixture(scope="module")
def policy() -> MonitoringPolicy:
    return load_monitoring("monitoring", PROBLEM.model_type)


@pytest.fixture(scope="module")
def year() -> Year:
    rows = join_features(read_sources(datetime(2014, 1, 1, tzinfo=UTC)))
    return Year(
        rows=rows,
        scores=score(rows, NUMERICAL),
        labels=rows["late"].to_numpy(dtype=np.float64),
        numerical=NUMERICAL,
        categorical=CATEGORICAL,
    )


def find_alarms(year: Year, policy: MonitoringPolicy, seed: int) -> list[Verdict]:
    """Return the newly reported verdicts in twenty years without changes."""
    random = np.random.default_rng(seed)
    baseline, weeks = draw(random, 1, BASELINE)[0], draw(random, WEEKS, WEEK)
    verdicts = assess_weeks(measure(year, weeks, year, baseline), expect(year, policy), policy)
    return [
        verdict
        for before, verdict in pairwise([Healthy(reason="", figures=()), *verdicts])
        if isinstance(before, Healthy) and not isinstance(verdict, Healthy)
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_twenty_years_without_a_change_have_one_false_alarm_at_most(
    year: Year, policy: MonitoringPolicy, seed: int
) -> None:
    alarms = find_alarms(year, policy, seed)
    assert len(alarms) <= 1, [alarm.reason for alarm in alarms]


@pytest.mark.nightly
def test_years_without_a_change_have_one_false_alarm_in_twenty_at_most(
    year: Year, policy: MonitoringPolicy
) -> None:
    alarms = [each for seed in NIGHTLY_SEEDS for each in find_alarms(year, policy, seed)]
    print(f"{len(alarms)} false alarms in {YEARS * len(NIGHTLY_SEEDS)} years")
    assert len(alarms) <= len(NIGHTLY_SEEDS), [alarm.reason for alarm in alarms]


# Faults with the text expected in the reason, if it is always the same.
FAULTS: Mapping[str, tuple[Fault, str]] = {
    "distance in kilometres": (partial(multiply, feature="distance", factor=1.6), "distance"),
    "pressure in inches": (partial(multiply, feature="pressure", factor=0.0295), "pressure"),
    "visibility in metres": (partial(multiply, feature="visibility", factor=1609), "visibility"),
    "seats missing": (partial(empty, feature="seats", share=0.4), "nulls of seats"),
    "distance missing": (partial(empty, feature="distance", share=0.4), "nulls of distance"),
    "a carrier gone": (partial(drop, feature="carrier", category="9E"), "drift of carrier"),
    "an airport gone": (partial(drop, feature="origin", category="LGA"), "drift of origin"),
    "three of ten in time late": (partial(turn_late, share=0.3), "calibration_error"),
    "log odds three times": (partial(sharpen, factor=3.0), ""),
    "log odds a quarter": (partial(sharpen, factor=0.25), ""),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_reported_in_the_window_it_began(
    year: Year, policy: MonitoringPolicy, name: str
) -> None:
    fault, told = FAULTS[name]
    random = np.random.default_rng(100)
    baseline = draw(random, 1, BASELINE)[0]
    healthy = measure(year, draw(random, BEFORE, WEEK), year, baseline)
    broken = measure(fault(year), draw(random, BROKEN, WEEK), year, baseline)
    expected = expect(year, policy)
    missed = []
    for week in range(BROKEN):
        series = {
            key: (np.append(values, broken[key][0][week]), np.append(rows, broken[key][1][week]))
            for key, (values, rows) in healthy.items()
        }
        verdict = assess_weeks(series, expected, policy)[-1]
        if isinstance(verdict, Healthy) or told not in verdict.reason:
            missed.append(f"week {week}: {verdict.label}: {verdict.reason}")
    assert not missed


@pytest.fixture(scope="module")
def well(policy: MonitoringPolicy, year: Year) -> tuple[Signal, ...]:
    """Return current signals, all within their limits."""
    now = datetime(2026, 1, 14, tzinfo=UTC)
    value = {"volume": 1.0, "quality": 0.0}
    return tuple(
        replace(
            signal,
            windows=(
                Window(
                    start=now - timedelta(days=1),
                    end=now,
                    rows=5000,
                    value=0.8 if signal.name == "auc" else value.get(signal.kind, 0.0),
                ),
            ),
        )
        for signal in expect(year, policy)
    )


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("silence of batch", 27.0, Blind),
        ("age of weather_features", 1.1, Stale),
        ("skew of requests", 0.06, Stale),
        ("errors", 0.05, Watch),
        ("latency", 1500.0, Watch),
        ("rows", 0.4, Watch),
    ],
)
def test_what_runs_no_more_is_reported(
    policy: MonitoringPolicy,
    well: tuple[Signal, ...],
    name: str,
    value: float,
    verdict: type[Verdict],
) -> None:
    broken = [
        replace(s, windows=(replace(s.windows[0], value=value),)) if s.name == name else s
        for s in well
    ]
    decide = partial(
        assess,
        policy=policy,
        expected=well,
        now=well[0].windows[0].end,
        active_trainings=0,
        last_training=None,
    )
    assert isinstance(decide(well), Healthy)
    found = decide(broken)
    assert isinstance(found, verdict)
    assert name in found.reason
    assert "To do: " in found.reason
