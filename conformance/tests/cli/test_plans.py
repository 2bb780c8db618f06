"""What `bundle plan -o json` tells, and what it does not: a release compares two of them."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from conformance.tests.deployments import PROD, Deployment, Open
from conformance.tests.workspaces import USER

JOB = "resources.jobs.batch_inference"


@pytest.fixture
def prod(open_target: Open) -> Deployment:
    deployment = open_target(PROD)
    deployment.deploy().succeed()
    return deployment


def test_before_the_first_deploy_two_plans_are_the_same_bytes(open_target: Open) -> None:
    deployment = open_target(PROD)
    assert read_plan(deployment) == read_plan(deployment)
    assert "serial" not in json.loads(read_plan(deployment))


def test_two_plans_are_the_same_bytes_also_with_a_deploy_between_that_changes_nothing(
    prod: Deployment,
) -> None:
    before = read_plan(prod)
    assert read_plan(prod) == before
    prod.deploy().succeed()
    assert read_plan(prod) == before


def change_the_job(deployment: Deployment) -> None:
    file = deployment.project.root / "resources" / "batch_inference.job.yml"
    text = file.read_text()
    file.write_text(text.replace("timeout_seconds: 3600", "timeout_seconds: 3601", 1))


def change_the_wheel(deployment: Deployment) -> None:
    deployment.project.commit("Another commit")


def change_the_remote(deployment: Deployment) -> None:
    settings = {**read_settings(deployment), "description": "changed by hand"}
    change = {"job_id": read_job(deployment), "new_settings": settings}
    deployment.workspace.ask("POST", "/api/2.2/jobs/reset", change)


def delete_the_remote(deployment: Deployment) -> None:
    gone = {"job_id": read_job(deployment)}
    deployment.workspace.ask("POST", "/api/2.2/jobs/delete", gone)


@pytest.mark.parametrize(
    ("change", "action", "field"),
    [
        (change_the_job, "update", "tasks[task_key='score'].timeout_seconds"),
        (
            change_the_wheel,
            "update",
            "environments[environment_key='default'].spec.dependencies[0]",
        ),
        (change_the_remote, "update", "description"),
        (delete_the_remote, "create", None),
    ],
)
def test_a_plan_tells_what_changed(
    prod: Deployment, change: Callable[[Deployment], None], action: str, field: str | None
) -> None:
    before = read_plan(prod)
    change(prod)
    after = read_plan(prod)
    assert after != before
    entry = json.loads(after)["plan"][JOB]
    assert json.loads(before)["plan"][JOB]["action"] == "skip"
    assert entry["action"] == action
    changed = {name for name, one in entry.get("changes", {}).items() if one["action"] != "skip"}
    assert changed == ({field} if field else set())


def test_a_plan_tells_who_may_do_what(prod: Deployment) -> None:
    grants = [
        {"user_name": "boss@example.com", "permission_level": "IS_OWNER"},
        {"group_name": "others", "permission_level": "CAN_MANAGE"},
    ]
    path = f"/api/2.0/permissions/jobs/{read_job(prod)}"
    prod.workspace.ask("PUT", path, {"access_control_list": grants})
    assert json.loads(read_plan(prod))["plan"][f"{JOB}.permissions"]["action"] == "update"


def test_the_serial_of_a_plan_tells_of_each_deploy_that_changed_something(
    prod: Deployment,
) -> None:
    assert json.loads(read_plan(prod))["serial"] == 1
    change_the_remote(prod)
    prod.deploy().succeed()
    assert json.loads(read_plan(prod))["serial"] == 2


def test_a_plan_names_the_wheel_and_knows_nothing_of_its_bytes(prod: Deployment) -> None:
    # So whoever compares plans compares the wheel's digest too.
    before = read_plan(prod)
    (wheel,) = (prod.project.root / "dist").glob("*.whl")
    assert wheel.name in before
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    assert read_plan(prod) == before


def test_what_a_training_leaves_on_the_model_changes_no_action(prod: Deployment) -> None:
    before = json.loads(read_plan(prod))["plan"]
    path = "/api/2.1/unity-catalog/models/prod.flight_delays.model"
    prod.workspace.ask("PATCH", path, {"owner": "someone@example.com"})
    after = json.loads(read_plan(prod))["plan"]
    assert after != before
    assert list_changes(after) == list_changes(before) == {}


def test_another_identity_plans_another_deployment(prod: Deployment) -> None:
    # The job's owner follows who deploys: a plan is to be made by whoever carries it out.
    as_user = replace(prod, databricks=replace(prod.databricks, identity=USER))
    plan = as_user("plan", "--output", "json").succeed().json["plan"]
    assert plan[f"{JOB}.permissions"]["action"] == "update"


def read_plan(deployment: Deployment) -> str:
    return deployment("plan", "--output", "json").succeed().out


def read_job(deployment: Deployment) -> int:
    jobs = deployment.workspace.read_state()["jobs"]
    return next(
        int(key) for key, job in jobs.items() if job["settings"]["name"] == "batch_inference"
    )


def read_settings(deployment: Deployment) -> dict[str, Any]:
    job = deployment.workspace.read_state()["jobs"][str(read_job(deployment))]
    settings: dict[str, Any] = job["settings"]
    return settings


def list_changes(plan: dict[str, Any]) -> dict[str, Any]:
    """List what would be done, without what the backend fills in by itself."""
    return {key: entry for key, entry in plan.items() if entry["action"] != "skip"}
