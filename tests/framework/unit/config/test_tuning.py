"""Hyperparameters that tuning can change, and the proposed change."""

from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field

from flight_delays.config.loading import ConfigurationError, load_configuration, read_configuration
from flight_delays.config.training import load_training
from flight_delays.config.tuning import (
    TuningPolicy,
    load_tuning,
    replace_hyperparameters,
    require_hyperparameters,
    write_hyperparameters,
)
from flight_delays.problem import PROBLEM


class Trees(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rate: float = Field(gt=0, le=1)
    depth: int = Field(ge=1)
    depth_of_leaf: int = 1
    exact: bool = False


REVIEWED = Trees(rate=0.5, depth=3)
TEXT = """# Chosen in March.
rate: 0.5      # slow
depth: 3
depth_of_leaf: 1
exact: false
"""


def allow(**search: dict[str, Any]) -> TuningPolicy:
    return TuningPolicy.model_validate(
        {"trials": 3, "seconds": 60, "max_rows": 10, "seed": 1, "search": search}
    )


def test_the_file_tries_hyperparameters_of_the_problem_around_the_reviewed_ones() -> None:
    reviewed = load_configuration("model", PROBLEM.hyperparameters)
    assert set(load_tuning(reviewed).search) <= set(reviewed.model_dump())


def test_candidates_have_rows_left_to_learn_from() -> None:
    assert load_training().backtest.share <= 0.5


@pytest.mark.parametrize(
    ("search", "says"),
    [
        ({"speed": {"low": 1, "high": 2}}, r"no hyperparameter speed\. There are: rate, depth"),
        ({"rate": {"low": 0.1, "high": 2.0}}, r"rate may not be 2\.0: .*less than or equal"),
        ({"depth": {"low": 0, "high": 9}}, r"depth may not be 0: .*greater than or equal"),
        ({"depth": {"low": 1.0, "high": 9.0}}, r"depth may not be 1\.0: .*valid integer"),
        ({"depth": {"low": 4, "high": 9}}, r"from 4 to 9; in conf/model\.yml it is 3\. Widen"),
    ],
    ids=str,
)
def test_a_search_of_what_is_not_allowed_is_refused(search: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"(?s)conf/tuning\.yml: .*{says}"):
        require_hyperparameters(allow(**search), REVIEWED)


def test_a_sound_search_is_returned() -> None:
    sound = allow(rate={"low": 0.1, "high": 1.0}, depth={"low": 3, "high": 9})
    assert require_hyperparameters(sound, REVIEWED) is sound


@pytest.mark.parametrize(
    "values",
    [{"rate": 0.125}, {"depth": 12}, {"rate": 1e-05, "depth": 4, "exact": True}, {}],
    ids=str,
)
def test_the_file_is_offered_with_new_values_and_nothing_else_changed(
    values: dict[str, Any],
) -> None:
    wanted = replace_hyperparameters(REVIEWED, values)
    offered = write_hyperparameters(TEXT, wanted)
    assert Trees.model_validate(yaml.safe_load(offered)) == wanted
    changed = [
        old.partition(":")[0]
        for old, new in zip(TEXT.splitlines(), offered.splitlines(), strict=True)
        if old != new
    ]
    assert changed == list(values)
    assert offered.count("#") == 2


@pytest.mark.parametrize(
    "text",
    ["{rate: 0.5, depth: 3}\n", "'rate': &slow 0.5\ndepth: 3 # few\n", "depth: 3\n"],
    ids=["flow style", "quotes and anchor", "missing name"],
)
def test_a_file_of_any_form_is_rewritten(text: str) -> None:
    wanted = Trees(rate=0.25, depth=3)
    assert Trees.model_validate(yaml.safe_load(write_hyperparameters(text, wanted))) == wanted


def test_the_problems_own_file_can_be_offered() -> None:
    standing = load_configuration("model", PROBLEM.hyperparameters)
    text = read_configuration("model")
    assert write_hyperparameters(text, standing) == text
    for name, reach in load_tuning(standing).search.items():
        offered = write_hyperparameters(text, replace_hyperparameters(standing, {name: reach.high}))
        assert yaml.safe_load(offered)[name] == reach.high
