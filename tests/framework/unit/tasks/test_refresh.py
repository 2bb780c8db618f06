"""The schedule that the bundle gives feature_refresh keeps what the problem declares."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from laptop.bundle import Identity, resolve

from flight_delays.errors import DeclarationError
from flight_delays.problem import PROBLEM
from flight_delays.tasks.features import FeatureParameters

from tests.declared import ROOT

TARGETS = list(yaml.safe_load((ROOT / "databricks.yml").read_text())["targets"])
NONE: Mapping[str, str] = {}


def find_schedule(
    target: str, variables: Mapping[str, str] = NONE
) -> tuple[str, FeatureParameters]:
    """Return the job's schedule in a target, and the parameters of its task features."""
    identity = Identity("ann@example.com", "ann")
    bundle = resolve(Path(ROOT), target=target, variables=variables, identity=identity)
    job: dict[str, Any] = bundle.jobs["feature_refresh"]
    (features,) = (task for task in job["tasks"] if task["task_key"] == "features")
    given = dict(each.split("=", 1) for each in features["python_wheel_task"]["parameters"])
    told = {
        "--target": "a.b",
        "--model": "a.b.c",
        "--as_of": "2013-11-01",
        "--schedule": given["--schedule"],
    }
    assert job["schedule"]["timezone_id"] == "UTC"
    return job["schedule"]["quartz_cron_expression"], FeatureParameters.parse(
        [f"{name}={value}" for name, value in told.items()]
    )


@pytest.mark.parametrize("target", TARGETS)
def test_the_schedule_of_each_target_keeps_what_the_problem_declares(target: str) -> None:
    schedule, told = find_schedule(target)
    assert told.schedule == schedule
    PROBLEM.refresh.require_schedule(schedule)


def test_a_schedule_that_is_changed_for_a_deploy_reaches_the_task_that_refuses_it() -> None:
    schedule, told = find_schedule("prod", {"refresh_schedule": "0 0 1 1 * ?"})
    assert told.schedule == schedule == "0 0 1 1 * ?"
    with pytest.raises(DeclarationError, match="refresh_schedule"):
        PROBLEM.refresh.require_schedule(told.schedule)
