"""The reviewed policies of this problem."""

import pytest

from flight_delays.config.policy import load_policy
from flight_delays.problem import PROBLEM

EACH_POLICY = pytest.mark.parametrize("name", ["policy", "policy_small"])


@EACH_POLICY
def test_a_policy_judges_every_carrier_and_origin(name: str) -> None:
    policy = load_policy(name, PROBLEM.model_type)
    assert policy.validation.slices.columns == ["carrier", "origin"]
    assert "as_of" in policy.validation.required_tags


@EACH_POLICY
def test_a_policy_refuses_a_model_that_knows_nothing_and_one_that_knows_all(name: str) -> None:
    validation = load_policy(name, PROBLEM.model_type).validation
    auc, loss = validation.metrics["auc"].sides, validation.metrics["log_loss"].sides
    assert 0.95 > auc["max"] > auc["min"] > validation.slices.sides["min"] > 0.5
    assert loss["max"] < 0.693
