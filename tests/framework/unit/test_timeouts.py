"""Timeouts of jobs are consistent with each other, with the endpoint and with the roll-out."""

from datetime import timedelta
from typing import Any

import yaml

from flight_delays.config.rollout import load_rollout
from flight_delays.config.serving import load_serving
from flight_delays.lakehouse.model_environment import BUILT_WITHIN
from flight_delays.lakehouse.model_process import ANSWERED_WITHIN
from flight_delays.problem import PROBLEM
from flight_delays.tasks.rollout import LONGEST_RUN

from tests.declared import ROOT

UPDATES, SECONDS = 3, 90 * 60


def read_job(name: str = "model_training") -> dict[str, Any]:
    declared = yaml.safe_load((ROOT / "resources" / f"{name}.job.yml").read_text())
    job: dict[str, Any] = declared["resources"]["jobs"][name]
    return job


def test_the_job_has_time_for_its_tasks_one_after_another() -> None:
    job = read_job()
    assert job["timeout_seconds"] >= sum(task["timeout_seconds"] for task in job["tasks"])


def test_validate_has_time_for_a_model_that_hangs_and_a_quarter_hour_for_all_else() -> None:
    (validate,) = (task for task in read_job()["tasks"] if task["task_key"] == "validate")
    assert validate["timeout_seconds"] >= BUILT_WITHIN + ANSWERED_WITHIN + 15 * 60


def test_deploy_has_time_for_each_update_of_the_endpoint() -> None:
    (deploy,) = (task for task in read_job()["tasks"] if task["task_key"] == "deploy")
    assert deploy["timeout_seconds"] >= (UPDATES * SECONDS if load_serving().endpoint else 0)


def test_rollout_has_time_for_the_horizon_and_for_the_ab_test() -> None:
    job, policy = read_job("rollout"), load_rollout(PROBLEM.model_type)
    (task,) = job["tasks"]
    assert policy.ab is not None
    longest = timedelta(minutes=max(policy.horizon_minutes, policy.ab.minutes))
    assert timedelta(seconds=task["timeout_seconds"]) >= longest + timedelta(hours=12)
    assert job["timeout_seconds"] == task["timeout_seconds"]


def test_retry_on_the_last_day_of_a_rollout_has_the_real_time() -> None:
    assert timedelta(seconds=read_job("rollout")["timeout_seconds"]) == LONGEST_RUN
