"""Files under conf/ are parsed and validated; errors name the file."""

import pytest

from flight_delays.config.loading import ConfigurationError, load_configuration
from flight_delays.config.policy import Policy, load_policy
from flight_delays.evaluation.model_types import BINARY_CLASSIFICATION, regression
from flight_delays.problem import PROBLEM
from flight_delays.spec.selection import find_columns


@pytest.mark.parametrize("name", ["policy", "policy_small"])
def test_each_policy_fits_the_problem_and_slices_by_what_the_model_sees(name: str) -> None:
    policy = load_policy(name, PROBLEM.model_type)
    assert policy.validation.slices is not None
    assert not find_columns(PROBLEM, policy.validation.slices.columns)


def test_the_hyperparameters_are_those_that_the_problem_takes() -> None:
    assert PROBLEM.build_estimator(load_configuration("model", PROBLEM.hyperparameters))


def test_an_unknown_file_is_refused_with_those_there_are() -> None:
    message = r"conf/polcy\.yml: .*Use one of: policy, policy_small\.$"
    with pytest.raises(ConfigurationError, match=message):
        load_policy("polcy", PROBLEM.model_type)


def test_a_file_of_another_kind_is_refused_with_its_name_and_what_is_allowed() -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)conf/model\.yml: .*Allowed.*windows"):
        load_configuration("model", Policy)


def test_a_policy_for_another_model_type_is_refused_with_its_file() -> None:
    (other,) = {"binary_classification", "regression"} - {PROBLEM.model_type.name}
    model_type = {"binary_classification": BINARY_CLASSIFICATION, "regression": regression("EUR")}[
        other
    ]
    with pytest.raises(ConfigurationError, match=rf"conf/policy\.yml: \w+ of {other}: got"):
        load_policy("policy", model_type)
