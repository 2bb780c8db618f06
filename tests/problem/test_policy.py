"""Policies as reviewed files, and the intervals that follow from them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from importlib import resources
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from flight_delays.problem.configuration import load_configuration
from flight_delays.problem.errors import (
    ConfigurationError,
    InstantWithoutZoneError,
    WindowError,
)
from flight_delays.problem.features import SLICES
from flight_delays.problem.model import Hyperparameters
from flight_delays.problem.policy import Policy, Windows, load_policy
from flight_delays.problem.split import Interval, reach_batch, split

EACH_POLICY = pytest.mark.parametrize("name", ["policy", "policy_small"])


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def windows(**changes: object) -> Windows:
    whole = {"holdout": {"months": 1}, "training": None, "batch": {"months": 1}}
    return Windows.model_validate(whole | changes)


@EACH_POLICY
def test_a_policy_loads_and_judges_every_slice(name: str) -> None:
    policy = load_policy(name)
    assert policy.validation.slice_columns == [*SLICES]
    assert "as_of" in policy.validation.required_tags


@EACH_POLICY
def test_a_policy_refuses_a_model_that_knows_nothing_and_one_that_knows_all(name: str) -> None:
    validation = load_policy(name).validation
    assert validation.min_auc > validation.slice_min_auc > 0.5
    assert validation.max_auc < 0.95
    assert validation.max_log_loss < 0.693


def test_an_unknown_policy_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"polcy\.yml.*Use one of: .*policy, policy_small"):
        load_policy("polcy")


def test_a_file_of_another_kind_is_refused_with_its_name_and_what_is_allowed() -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)conf/policy\.yml: .*Allowed.*max_iter"):
        load_configuration("policy", Hyperparameters)


def change(*path: str, to: object) -> Callable[[dict[str, Any]], None]:
    def apply(document: dict[str, Any]) -> None:
        for part in path[:-1]:
            document = document[part]
        document[path[-1]] = to

    return apply


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (change("valdation", to={}), r"valdation\s+Extra inputs"),
        (change("validation", "min_auk", to=0.5), r"min_auk\s+Extra inputs"),
        (change("validation", "min_auc", to=1.2), "min_auc"),
        (change("validation", "min_auc", to=0.95), r"min_auc \(0.95\) must be below max_auc"),
        (change("validation", "min_auc", to=None), "min_auc"),
        (change("validation", "min_auc", to=float("nan")), "min_auc"),
        (change("validation", "max_log_loss", to=float("inf")), "max_log_loss"),
        (change("validation", "min_rows", to=0), "min_rows"),
        (change("validation", "min_rows", to="100"), "min_rows"),
        (change("comparison", "confidence", to=1.0), "confidence"),
        (change("comparison", "resamples", to=5), "resamples"),
        (change("comparison", "min_gain", to=-0.1), "min_gain"),
        (change("windows", "holdout", to=None), "holdout"),
        (change("windows", "holdout", to={}), "give either months or days"),
        (change("windows", "holdout", to={"months": 1, "days": 1}), "give either months or days"),
        (change("windows", "holdout", to={"weeks": 1}), r"weeks\s+Extra inputs"),
        (change("windows", "batch", to={"days": 0}), r"batch\.days"),
    ],
)
def test_a_policy_that_says_what_is_not_allowed_is_refused_by_name(
    broken: Callable[[dict[str, Any]], None], message: str
) -> None:
    file = resources.files("flight_delays") / "conf" / "policy.yml"
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    Policy.model_validate(document)
    broken(document)
    with pytest.raises(ValidationError, match=message):
        Policy.model_validate(document)


@pytest.mark.parametrize(
    ("as_of", "changes", "training", "holdout"),
    [
        ("2013-11-01", {}, "1970-01-01", "2013-10-01"),
        ("2013-03-31", {}, "1970-01-01", "2013-02-28"),
        ("2013-02-01", {"holdout": {"days": 7}}, "1970-01-01", "2013-01-25"),
        ("2013-11-01", {"training": {"months": 6}}, "2013-04-01", "2013-10-01"),
        ("2013-11-01T09:30", {"training": {"days": 1}}, "2013-09-30T09:30", "2013-10-01T09:30"),
    ],
)
def test_the_latest_flights_are_held_out_and_those_before_them_are_learned_from(
    as_of: str, changes: dict[str, object], training: str, holdout: str
) -> None:
    parts = split(instant(as_of), windows(**changes))
    assert parts.training == Interval(instant(training), instant(holdout))
    assert parts.holdout == Interval(instant(holdout), instant(as_of))


def test_a_batch_is_the_latest_flights() -> None:
    october = Interval(instant("2013-10-01"), instant("2013-11-01"))
    assert reach_batch(instant("2013-11-01"), windows()) == october


def test_intervals_are_in_utc_whatever_zone_as_of_came_in() -> None:
    berlin = datetime(2013, 3, 31, 1, tzinfo=timezone(timedelta(hours=2)))
    assert split(berlin, windows()) == split(instant("2013-03-30T23:00"), windows())
    assert split(berlin, windows()).holdout.start == instant("2013-02-28T23:00")


def test_an_as_of_that_leaves_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(WindowError, match=r"training interval must start before.*later as_of"):
        split(instant("1970-01-31"), windows())


@pytest.mark.parametrize("cut", [split, reach_batch])
def test_an_as_of_without_a_zone_is_refused(cut: Callable[[datetime, Windows], object]) -> None:
    with pytest.raises(InstantWithoutZoneError, match="as_of"):
        cut(datetime(2013, 11, 1), windows())
