"""Timeouts of model_training are consistent with each other and with the endpoint."""

from typing import Any

import yaml

from flight_delays.config.serving import load_serving
from flight_delays.lakehouse.model_environment import BUILT_WITHIN
from flight_delays.lakehouse.model_process import ANSWERED_WITHIN

from tests.declared import ROOT

UPDATES, SECONDS = 3, 90 * 60


def read_job() -> dict[str, Any]:
    declared = yaml.safe_load((ROOT / "resources" / "model_training.job.yml").read_text())
    job: dict[str, Any] = declared["resources"]["jobs"]["model_training"]
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
