"""Configuration of data profiling."""

import re

from flight_delays.config.policy import load_policy
from flight_delays.problem import PROBLEM
from flight_delays.tasks.monitor import write_cost


def test_numbers_of_a_cost_are_doubles_as_the_metric_says() -> None:
    numbers = re.findall(r"\d+\.\d+\w?", write_cost(load_policy("policy", PROBLEM.model_type)))
    assert len(numbers) == 3
    assert all(number.endswith("D") for number in numbers)
