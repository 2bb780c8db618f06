"""Verdicts of monitoring; Healthy requires that all signals are measured and within limits."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flight_delays.config.monitoring import MonitoringPolicy, load_monitoring
from flight_delays.monitoring.assess import assess
from flight_delays.monitoring.signals import Signal, Window, list_signals
from flight_delays.monitoring.verdicts import (
    Blind,
    Healthy,
    Retrain,
    Stale,
    Verdict,
    Watch,
)
from flight_delays.problem import PROBLEM

DAY, WEEK = timedelta(days=1), timedelta(days=7)
NOW = datetime(2026, 3, 10, 10, tzinfo=UTC)
POLICY = MonitoringPolicy.model_validate(
    {
        "windows": {
            "granularity": "week",
            "min_rows": 100,
            "open_share": 0.8,
            "mature_share": 0.8,
            "newest_within_hours": 216,
        },
        "keep_days": {"log": 30, "payload": 30},
        "cool_down_days": 3,
        "signals": {
            "numerical_drift": {"statistic": "ks_test", "above": 0.3, "then": "watch"},
            "quality": {"log_loss": {"above": 0.5, "windows": 2, "of": 3, "then": "retrain"}},
            "freshness": {"above": 1.0, "then": "stale"},
            "silence": {"above": 26.0, "then": "blind"},
        },
    }
)


def fill(*values: float | None, rows: int = 1000, mature: float = 1.0) -> tuple[Window, ...]:
    """Return weekly windows with these values; the last ended yesterday."""
    last = NOW.replace(hour=0) - DAY
    return tuple(
        Window(
            start=last - (number + 1) * WEEK,
            end=last - number * WEEK,
            rows=rows,
            value=value,
            mature=mature,
        )
        for number, value in reversed(list(enumerate(reversed(values))))
    )


DRIFT = Signal(
    name="drift of weight",
    kind="numerical_drift",
    statistic="ks_test",
    subject="weight",
    windows=fill(0.1, 0.1, 0.1),
)
QUALITY = Signal(name="log_loss", kind="quality", statistic="log_loss", windows=fill(0.4, 0.4, 0.4))
SILENCE = Signal(
    name="silence of batch",
    kind="silence",
    statistic="hours",
    subject="batch",
    windows=(Window(start=NOW - DAY, end=NOW, rows=1, value=1.0),),
)
AGE = Signal(
    name="age of weights",
    kind="freshness",
    statistic="computed",
    subject="weights",
    windows=(Window(start=NOW - DAY, end=NOW, rows=1, value=1.0, note="2:00:00 old"),),
)
WELL = (DRIFT, QUALITY, SILENCE, AGE)


def decide(*changed: Signal, **facts: Any) -> Verdict:
    """Return the verdict on healthy signals, some replaced."""
    signals = {signal.name: signal for signal in (*WELL, *changed)}
    given: dict[str, Any] = {
        "expected": WELL,
        "now": NOW,
        "active_trainings": 0,
        "last_training": None,
    }
    return assess(signals.values(), POLICY, **(given | facts))


def with_quality(*values: float | None, **about: Any) -> Signal:
    return replace(QUALITY, windows=fill(*values, **about))


def test_all_signals_within_limits_is_healthy() -> None:
    verdict = decide()
    assert isinstance(verdict, Healthy)
    assert [figure.state for figure in verdict.figures] == ["within"] * 4


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((0.4, 0.4, 0.6), Healthy),  # one window of three
        ((0.6, 0.6, 0.4), Healthy),  # not the latest
        ((0.6, 0.4, 0.6), Retrain),
        ((0.4, 0.6, 0.6), Retrain),
        ((0.6, 0.4, 0.4, 0.6), Healthy),  # too long ago
    ],
)
def test_quality_retrains_after_two_of_three_windows_with_latest(
    values: tuple[float, ...], verdict: type[Verdict]
) -> None:
    found = decide(with_quality(*values))
    assert isinstance(found, verdict)
    if verdict is Retrain:
        assert "log_loss: 0.6 nats" in decide(replace(with_quality(*values), unit="nats")).reason


@pytest.mark.parametrize(
    ("signal", "reason"),
    [
        (with_quality(), "no window to judge"),
        (with_quality(0.4, None), "the newest window has no value"),
        (with_quality(0.4, float("nan")), "the newest window has no value"),
        (with_quality(float("nan"), 0.4), "no value in 1 of 2 windows"),
        (with_quality(0.4, rows=99), r"skipped: 1 with fewer than 100 rows"),
        (with_quality(0.4, mature=0.5), r"skipped: 1 whose labels are not known yet"),
        (replace(SILENCE, windows=(replace(SILENCE.windows[0], value=27.0),)), "run batch_inf"),
    ],
)
def test_missing_windows_or_labels_are_blind(signal: Signal, reason: str) -> None:
    verdict = decide(signal)
    assert isinstance(verdict, Blind)
    assert reason in verdict.reason
    assert "To do: " in verdict.reason


def test_missing_signal_is_blind() -> None:
    verdict = assess(
        WELL[:2], POLICY, expected=WELL, now=NOW, active_trainings=0, last_training=None
    )
    assert isinstance(verdict, Blind)
    assert "silence of batch: no window" in verdict.reason


def test_outdated_windows_are_blind() -> None:
    assert isinstance(decide(now=NOW + timedelta(days=7)), Healthy | Blind)
    verdict = decide(now=NOW + timedelta(days=14))
    assert isinstance(verdict, Blind)
    assert "ended 2026-03-09" in verdict.reason


def test_retrain_becomes_watch_during_training_and_cool_down() -> None:
    bad = with_quality(0.6, 0.6)
    assert isinstance(decide(bad), Retrain)
    running = decide(bad, active_trainings=1)
    assert isinstance(running, Watch)
    assert "1 running or queued" in running.reason
    recent = decide(bad, last_training=NOW - 2 * DAY)
    assert isinstance(recent, Watch)
    assert "cool-down of 3 days" in recent.reason
    assert isinstance(decide(bad, last_training=NOW - 4 * DAY), Retrain)


def test_drift_is_watch_and_with_quality_retrain() -> None:
    drifted = replace(DRIFT, windows=fill(0.5))
    assert isinstance(decide(drifted), Watch)
    both = decide(drifted, with_quality(0.6, 0.6))
    assert isinstance(both, Retrain)
    assert "drift of weight" in both.reason


def test_old_feature_table_is_stale_before_retrain() -> None:
    old = replace(AGE, windows=(replace(AGE.windows[0], value=1.0001, note="2:00:01 old"),))
    for others in ((), (with_quality(0.6, 0.6), replace(SILENCE, windows=()))):
        verdict = decide(old, *others)
        assert isinstance(verdict, Stale)
        assert "age of weights: 1, limit above 1: 2:00:01 old" in verdict.reason
        assert "To do: run feature_refresh" in verdict.reason
        assert all(each.name in verdict.reason for each in others)


def test_unknown_table_age_is_blind_for_new_model() -> None:
    for windows in ((), (replace(AGE.windows[0], value=None, note="not online"),)):
        verdict = decide(replace(AGE, windows=windows), model_since=NOW - DAY)
        assert isinstance(verdict, Blind)
        assert "age of weights" in verdict.reason


def test_new_model_without_windows_is_watch() -> None:
    young = replace(QUALITY, windows=())
    assert isinstance(decide(young, model_since=NOW - DAY), Watch)
    assert isinstance(decide(young, model_since=NOW - 30 * DAY), Blind)


def test_policy_monitors_all_features_and_quality() -> None:
    policy = load_monitoring("monitoring", PROBLEM.model_type)
    tables = [table.name for table in PROBLEM.feature_tables]
    features = {*PROBLEM.numerical_columns, *PROBLEM.categorical_columns}
    signals = list_signals(
        policy,
        PROBLEM.model_type,
        numerical=PROBLEM.numerical_columns,
        categorical=PROBLEM.categorical_columns,
        tables=tables,
        endpoint=True,
        sources=("batch",),
    )
    watched = {signal.subject for signal in signals if signal.kind.endswith("_drift")}
    missing = {signal.subject for signal in signals if signal.kind == "nulls"}
    assert features <= watched | missing
    assert any(signal.kind == "quality" for signal in signals)
    assert "batch" in {signal.subject for signal in signals}


def test_own_limits_name_existing_features() -> None:
    signals = load_monitoring("monitoring", PROBLEM.model_type).signals
    features = {*PROBLEM.numerical_columns, *PROBLEM.categorical_columns}
    for rule in (signals.numerical_drift, signals.categorical_drift, signals.nulls):
        assert rule is None or set(rule.own) <= features
