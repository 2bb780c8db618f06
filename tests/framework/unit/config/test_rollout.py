"""The file with the policy of a roll-out."""

from typing import Any

import pytest
from pydantic import ValidationError

from flight_delays.config.loading import ConfigurationError
from flight_delays.config.rollout import RolloutPolicy, load_rollout
from flight_delays.evaluation.model_types import BINARY_CLASSIFICATION, regression

POLICY: dict[str, Any] = {
    "mode": "gradual",
    "steps": [5, 50, 100],
    "min_requests": 100,
    "min_minutes": 10,
    "look_seconds": 60,
    "probes": 20,
    "horizon_minutes": 60,
    "on_no_traffic": "finish",
    "alpha": 0.05,
    "guardrails": {"errors": {"max_increase": 0.01}},
    "quality": {"loss": "log_loss", "margin": 0.05, "min_labels": 200},
    "ab": {"percent": 50, "minutes": 600, "wins_by": "superiority"},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "slow"}, "'immediate', 'gradual' or 'ab'"),
        ({"steps": [5, 50]}, r"got \[5, 50\], allowed: rising percentages that end with 100"),
        ({"steps": [50, 5, 100]}, "rising percentages"),
        ({"steps": [5, 5, 100]}, "rising percentages"),
        ({"steps": [0, 100]}, "greater than or equal to 1"),
        ({"steps": [100]}, "at least 2 items"),
        ({"min_requests": 0}, "min_requests"),
        ({"horizon_minutes": 19}, "got 19, allowed: 20 or more"),
        ({"on_no_traffic": "advance"}, "'finish' or 'hold'"),
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": float("nan")}, "finite"),
        ({"guardrails": {}}, "got none, allowed: one or more of errors, latency"),
        ({"guardrails": {"errors": {"max_increase": -0.1}}}, "max_increase"),
        ({"guardrails": {"errors": {"max": 0.1}}}, "Extra inputs"),
        ({"quality": {**POLICY["quality"], "margin": 0.0}}, "margin"),
        ({"quality": {**POLICY["quality"], "min_labels": 99}}, "min_labels"),
        ({"mode": "ab", "ab": None}, "got ab without the section ab"),
        ({"mode": "ab", "quality": None}, "got ab without the section quality"),
        ({"mode": "ab", "ab": {**POLICY["ab"], "minutes": 9}}, r"allowed: min_minutes \(10\)"),
        ({"ab": {**POLICY["ab"], "percent": 100}}, "less than or equal to 99"),
        ({"ab": {**POLICY["ab"], "wins_by": "chance"}}, "'superiority' or 'non-inferiority'"),
    ],
)
def test_a_policy_that_does_not_hold_together_is_refused(
    change: dict[str, Any], message: str
) -> None:
    RolloutPolicy.model_validate(POLICY)
    with pytest.raises(ValidationError, match=message):
        RolloutPolicy.model_validate({**POLICY, **change})


@pytest.mark.parametrize(
    ("mode", "steps", "horizon"), [("gradual", (5, 50), 60), ("ab", (50,), 600)]
)
def test_steps_and_horizon_follow_the_mode(mode: str, steps: tuple[int, ...], horizon: int) -> None:
    policy = RolloutPolicy.model_validate({**POLICY, "mode": mode})
    assert (policy.judged_steps, policy.horizon) == (steps, horizon)


def test_the_reviewed_policy_is_immediate_and_names_a_loss_of_the_model_type() -> None:
    assert load_rollout(BINARY_CLASSIFICATION).mode == "immediate"
    with pytest.raises(ConfigurationError, match=r"rollout\.yml: loss of regression: got 'log_l"):
        load_rollout(regression("minutes"))
    with pytest.raises(ConfigurationError, match="Use one of: rollout"):
        load_rollout(BINARY_CLASSIFICATION, "rollout_fast")
