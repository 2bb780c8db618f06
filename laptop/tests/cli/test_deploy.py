import json
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from laptop.state_dir import StateDir

from .conftest import Databricks

ROOT = "/Workspace/Users/laptop@localhost/.bundle/toy"
SCHEMA, MODEL = "dev.dev_laptop_lake", "dev.dev_laptop_lake.dev_laptop_late"
VOLUME = f"{SCHEMA}.shelf"
EXPERIMENT = "/Users/laptop@localhost/[dev laptop] toy"
JOBS = ["[dev laptop] deployed failing", "[dev laptop] deployed three"]


def job_names(client: WorkspaceClient) -> list[str]:
    found = [job.settings.name for job in client.jobs.list() if job.settings]
    return sorted(name for name in found if name and "[dev laptop]" in name)


def actions(databricks: Databricks, *more: str) -> dict[str, str]:
    plan = databricks.read("bundle", "plan", *more)["plan"]
    return {name: each["action"] for name, each in plan.items()}


@pytest.fixture
def held(client: WorkspaceClient) -> str:
    """Return a lock that someone else holds."""
    client.workspace.mkdirs(f"{ROOT}/prod/state")
    path = f"{ROOT}/prod/state/deploy.lock"
    lock = {
        "ID": "00000000-0000-0000-0000-000000000001",
        "AcquisitionTime": "2013-01-01T00:00:00Z",
        "IsForced": False,
        "User": "someone else",
    }
    endpoint = f"/api/2.0/workspace-files/import-file{path}"
    client.api_client.do("POST", endpoint, data=json.dumps(lock).encode())
    return path


def test_a_deploy_makes_what_the_bundle_declares_and_a_destroy_leaves_nothing(
    databricks: Databricks, client: WorkspaceClient, shared: StateDir
) -> None:
    databricks.succeed("bundle", "deploy")
    assert job_names(client) == JOBS
    assert client.schemas.get(SCHEMA).name == "dev_laptop_lake"
    assert client.registered_models.get(MODEL).name == "dev_laptop_late"
    assert client.volumes.read(VOLUME).comment == "Files."
    experiment = client.experiments.get_by_name(EXPERIMENT).experiment
    assert experiment is not None
    (wheel,) = client.workspace.list(f"{ROOT}/dev/artifacts/.internal")
    built = next((databricks.toy.root / "dist").glob("*.whl"))
    uploaded = shared.files / str(wheel.path).removeprefix("/Workspace/")
    assert uploaded.read_bytes() == built.read_bytes()
    assert set(actions(databricks).values()) == {"skip"}
    assert databricks.read("bundle", "summary")["resources"]["schemas"]["lake"]["id"] == SCHEMA

    databricks.succeed("bundle", "destroy", "--auto-approve")
    assert job_names(client) == []
    with pytest.raises(NotFound):
        client.schemas.get(SCHEMA)
    with pytest.raises(NotFound):
        client.registered_models.get(MODEL)
    with pytest.raises(NotFound):
        client.volumes.read(VOLUME)
    with pytest.raises(NotFound):
        client.experiments.get_by_name(EXPERIMENT)
    assert not (shared.files / "Users/laptop@localhost/.bundle/toy/dev").exists()
    again = databricks.call("bundle", "destroy", "--auto-approve")
    assert "No active deployment found" in again.err


def test_what_changed_in_the_bundle_or_in_the_workspace_is_brought_back_in_line(
    deployed: Databricks, client: WorkspaceClient
) -> None:
    (three,) = client.jobs.list(name=JOBS[1])
    client.api_client.do(
        "POST",
        "/api/2.2/jobs/update",
        body={"job_id": three.job_id, "new_settings": {"timeout_seconds": 7}},
    )
    changed = "resources.jobs.three"
    assert {k for k, v in actions(deployed).items() if v != "skip"} == {changed}
    deployed.succeed("bundle", "deploy")
    settings = client.jobs.get(int(three.job_id or 0)).settings
    assert settings is not None
    assert settings.timeout_seconds in (None, 0)
    assert set(actions(deployed).values()) == {"skip"}


def test_laptop_run_takes_a_deployed_job_over_and_the_next_deploy_takes_it_back(
    deployed: Databricks, client: WorkspaceClient, shared: StateDir
) -> None:
    (before,) = client.jobs.list(name=JOBS[1])
    process = deployed.toy.start("run", "three", LAPTOP_HOME=str(shared.path))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    assert [job.job_id for job in client.jobs.list(name=JOBS[1])] == [before.job_id]
    assert actions(deployed)["resources.jobs.three"] == "update"
    deployed.succeed("bundle", "deploy")
    assert set(actions(deployed).values()) == {"skip"}


def test_a_deploy_is_refused_while_another_holds_the_lock(
    databricks: Databricks, client: WorkspaceClient, held: str
) -> None:
    shown = databricks.call("bundle", "deploy", "-t", "prod")
    assert shown.status == 1
    assert "deploy lock acquired by someone else" in shown.err
    databricks.succeed("bundle", "deploy", "-t", "prod", "--force-lock")
    with pytest.raises(NotFound):
        client.workspace.get_status(held)


def test_a_production_target_is_deployed_with_its_permissions_and_keeps_its_schema(
    databricks: Databricks, client: WorkspaceClient
) -> None:
    elsewhere = {"DATABRICKS_HOST": "http://127.0.0.1:9"}
    strict = databricks.call("bundle", "validate", "-t", "prod", "--strict")
    assert strict.status == 0, strict.err
    databricks.succeed("bundle", "deploy", "-t", "prod", **elsewhere)
    (three,) = client.jobs.list(name="deployed three")
    job = client.jobs.get(int(three.job_id or 0))
    assert job.settings is not None
    assert job.settings.run_as is not None
    assert job.settings.run_as.service_principal_name == "laptop@localhost"
    root = client.workspace.get_status(f"{ROOT}/prod")
    for kind, number in (("jobs", three.job_id), ("directories", root.object_id)):
        granted = client.permissions.get(kind, str(number)).as_dict()["access_control_list"]
        assert level(granted, "group_name", "readers") in ("CAN_VIEW", "CAN_READ")
    assert client.grants.get("schema", "prod.lake").as_dict() == {
        "privilege_assignments": [{"principal": "readers", "privileges": ["SELECT", "USE_SCHEMA"]}]
    }
    assert set(actions(databricks, "-t", "prod").values()) == {"skip"}

    refused = databricks.call("bundle", "destroy", "-t", "prod", "--auto-approve")
    assert refused.status == 1
    assert "prevent_destroy" in refused.err
    assert client.schemas.get("prod.lake").name == "lake"
    assert client.jobs.get(int(three.job_id or 0)).job_id == three.job_id


def level(entries: list[dict[str, Any]], kind: str, name: str) -> str:
    (found,) = (entry for entry in entries if entry.get(kind) == name)
    return str(found["all_permissions"][0]["permission_level"])
