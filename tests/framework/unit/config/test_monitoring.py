"""The file with the limits of monitoring."""

from typing import Any

import pytest
from pydantic import ValidationError

from flight_delays.config.loading import ConfigurationError
from flight_delays.config.monitoring import MonitoringPolicy, Rule, load_monitoring
from flight_delays.evaluation.model_types import BINARY_CLASSIFICATION, regression
from flight_delays.monitoring.signals import list_signals

SOUND = {"above": 0.5, "then": "watch"}
POLICY: dict[str, Any] = {
    "windows": {
        "granularity": "day",
        "min_rows": 10,
        "open_share": 0.8,
        "mature_share": 0.5,
        "newest_within_hours": 48,
    },
    "keep_days": {"log": 30, "payload": 30},
    "cool_down_days": 0,
    "signals": {
        "categorical_drift": {"statistic": "js_distance", **SOUND, "own": {"shop": None}},
        "quality": {"mae": {"above": 9.0, "then": "retrain"}},
        "errors": SOUND,
    },
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"below": 0.1}, "either above or below"),
        ({"above": None}, "either above or below"),
        ({"windows": 3, "of": 2}, r"windows \(3\) must be at most of \(2\)"),
        ({"windows": 0}, "windows"),
        ({"at_once": 0.4}, r"at_once \(0.4\) must be beyond 0.5"),
        ({"then": "retire"}, "'retrain', 'watch', 'blind' or 'stale'"),
        ({"above": float("nan")}, "finite"),
        ({"over": 1.0}, "Extra inputs"),
    ],
)
def test_a_rule_that_does_not_hold_together_is_refused(
    change: dict[str, Any], message: str
) -> None:
    Rule.model_validate(SOUND)
    with pytest.raises(ValidationError, match=message):
        Rule.model_validate({**SOUND, **change})


def test_only_statistics_of_the_drift_table_are_allowed() -> None:
    signals = {"categorical_drift": {"statistic": "ks_test", **SOUND}}
    with pytest.raises(ValidationError, match="'js_distance'"):
        MonitoringPolicy.model_validate({**POLICY, "signals": signals})


def test_a_subject_that_is_switched_off_and_a_kind_that_is_left_out_are_not_watched() -> None:
    policy = MonitoringPolicy.model_validate(POLICY)
    signals = list_signals(
        policy,
        regression("minutes"),
        numerical=["weight"],
        categorical=["shop", "colour"],
        tables=["shops"],
        endpoint=False,
        sources=("batch",),
    )
    assert [signal.name for signal in signals] == ["drift of colour", "mae"]
    assert signals[1].unit == "minutes"


def test_an_endpoint_has_signals_of_its_own() -> None:
    policy = MonitoringPolicy.model_validate(POLICY)
    for endpoint in (True, False):
        signals = list_signals(
            policy,
            regression("minutes"),
            numerical=[],
            categorical=[],
            tables=[],
            endpoint=endpoint,
        )
        assert ("errors" in {signal.name for signal in signals}) == endpoint


def test_a_policy_names_only_metrics_of_its_model_type() -> None:
    load_monitoring("monitoring", BINARY_CLASSIFICATION)
    with pytest.raises(ConfigurationError, match=r"monitoring\.yml: metric of regression"):
        load_monitoring("monitoring", regression("minutes"))
    with pytest.raises(ConfigurationError, match="Use one of: monitoring"):
        load_monitoring("monitoring_large", BINARY_CLASSIFICATION)
