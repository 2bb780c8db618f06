"""Deployment jobs of registered models, through MLflow's client, and their approval."""

import json
import re
import warnings
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from laptop.state_dir import StateDir

from ...conftest import Jobs, Toy, execute, results, until

with warnings.catch_warnings():
    # MLflow warns while it is imported, which the test run would take for an error.
    warnings.simplefilter("ignore")
    import mlflow.store.tracking.sqlalchemy_store
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model
    from mlflow.models.signature import ModelSignature
    from mlflow.types import ColSpec, Schema

PARAMETERS = [{"name": name, "default": ""} for name in ("model_name", "model_version")]
CHECK = """
import sys
import mlflow
name, version = "{{job.parameters.model_name}}", "{{job.parameters.model_version}}"
tags = mlflow.MlflowClient(registry_uri="databricks-uc").get_model_version(name, version).tags
if tags.get("{{task.name}}", "").lower() != "approved":
    raise RuntimeError("wait for an approval")
"""


@pytest.fixture
def registry(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> mlflow.MlflowClient:
    """Return MLflow's client with the URIs that a task gives it."""
    monkeypatch.setenv("LAPTOP_HOME", str(toy.state_dir.path))
    return mlflow.MlflowClient(tracking_uri="databricks", registry_uri="databricks-uc")


@pytest.fixture
def model(client: WorkspaceClient, request: pytest.FixtureRequest) -> str:
    """Return the name of a registered model of the test's own."""
    name = request.node.name[:50].lower()
    schemas = {schema.name for schema in client.schemas.list("dev")}
    if "shop" not in schemas:
        client.schemas.create("shop", "dev")
    client.registered_models.create(catalog_name="dev", schema_name="shop", name=name)
    return f"dev.shop.{name}"


def register(registry: mlflow.MlflowClient, state_dir: StateDir, name: str) -> str:
    """Register a version of the least that is a model."""
    folder = state_dir.path / "artifacts" / "least"
    folder.mkdir(parents=True, exist_ok=True)
    signature = ModelSignature(Schema([ColSpec("double", "x")]), Schema([ColSpec("double")]))
    Model(signature=signature, flavors={"python_function": {}}).save(str(folder / "MLmodel"))
    return str(registry.create_model_version(name, str(folder)).version)


def make(jobs: Jobs, **more: Any) -> int:
    """Return a deployment job whose approval task fails until a version has its tag."""
    tasks = [
        execute("evaluation", ""),
        execute("Approval_Check", CHECK, "evaluation"),
        execute("deployment", "", "Approval_Check"),
    ]
    return jobs.create(*tasks, **{"parameters": PARAMETERS, **more})


def runs_of(client: WorkspaceClient, job_id: int) -> list[int]:
    return [int(run.run_id or 0) for run in client.jobs.list_runs(job_id=job_id)]


def state_of(registry: mlflow.MlflowClient, model: str, version: str) -> tuple[str, str, str, str]:
    state = registry.get_model_version(model, version).deployment_job_state
    assert state is not None
    return state.job_state, state.run_id, state.run_state, state.current_task_name


def test_a_new_version_starts_the_linked_job_and_an_approval_lets_it_go_on(
    client: WorkspaceClient, jobs: Jobs, registry: mlflow.MlflowClient, model: str, toy: Toy
) -> None:
    job_id = make(jobs)
    registry.update_registered_model(model.upper(), "What it is for.")
    linked = registry.update_registered_model(model, deployment_job_id=str(job_id))
    assert linked.description == "What it is for."
    assert (linked.deployment_job_id, linked.deployment_job_state) == (str(job_id), "CONNECTED")
    early = toy.call("approve", model, "1")
    assert f"There is no version 1 of {model}" in early.err

    version = register(registry, toy.state_dir, model)

    (run_id,) = until(lambda: runs_of(client, job_id))
    run = jobs.finish(run_id)
    given = {each["name"]: each["value"] for each in run["job_parameters"]}
    assert given == {"model_name": model, "model_version": version}
    failed = {"evaluation": "SUCCESS", "Approval_Check": "FAILED", "deployment": "UPSTREAM_FAILED"}
    assert results(run) == failed
    waits = ("CONNECTED", str(run_id), "APPROVAL", "Approval_Check")
    assert state_of(registry, model, version) == waits

    shown = toy.call("approve", model.rpartition(".")[2], version)

    assert shown.status == 0, shown.err
    said = rf"Version {version} of {model} has the tag Approval_Check = Approved\.\n"
    said += rf"Repair \d+ of run {run_id} of '.*' has been started\.\nNext: laptop status\n"
    assert re.fullmatch(said, shown.out)
    assert set(results(jobs.finish(run_id)).values()) == {"SUCCESS"}
    assert state_of(registry, model, version) == ("CONNECTED", str(run_id), "SUCCEEDED", "")
    assert registry.get_model_version(model, version).tags == {"Approval_Check": "Approved"}
    again = toy.call("approve", model, version)
    assert again.status == 1
    assert f"Task Approval_Check of run {run_id} is SUCCESS; only one that has failed" in again.err


def test_a_second_repair_names_the_first(
    jobs: Jobs, registry: mlflow.MlflowClient, client: WorkspaceClient, model: str, toy: Toy
) -> None:
    job_id = make(jobs)
    registry.update_registered_model(model, deployment_job_id=str(job_id))
    version = register(registry, toy.state_dir, model)
    (run_id,) = until(lambda: runs_of(client, job_id))
    jobs.finish(run_id)
    client.jobs.repair_run(run_id, rerun_all_failed_tasks=True)
    jobs.finish(run_id)

    other = toy.call("approve", model, version, "--task", "Approval_Legal")
    shown = toy.call("approve", model, version)

    assert "no task 'Approval_Legal'. There are: Approval_Check, deployment" in other.err
    assert shown.status == 0, shown.err
    assert jobs.finish(run_id)["state"]["result_state"] == "SUCCESS"


def test_a_model_keeps_its_link_until_it_is_taken_away(
    jobs: Jobs, registry: mlflow.MlflowClient, client: WorkspaceClient, model: str, toy: Toy
) -> None:
    job_id = make(jobs)
    unlinked = registry.get_registered_model(model)
    assert (unlinked.deployment_job_id, unlinked.deployment_job_state) == ("", "NOT_SET_UP")
    name = f"{model}_2"
    made = registry.create_registered_model(name, deployment_job_id=str(job_id))
    assert made.deployment_job_id == str(job_id)
    found = {each.name: each.deployment_job_id for each in registry.search_registered_models()}
    assert (found[name], found[model]) == (str(job_id), "")
    shown = client.api_client.do("GET", f"/api/2.1/unity-catalog/models/{name}")
    assert isinstance(shown, dict)
    assert shown["deployment_job_id"] == str(job_id)

    assert registry.update_registered_model(name, deployment_job_id="").deployment_job_id == ""
    version = register(registry, toy.state_dir, name)

    assert registry.get_model_version(name, version).deployment_job_state is None
    refused = toy.call("approve", name, version)
    assert f"Model {name} has no deployment job. Link one: MlflowClient" in refused.err
    registry.update_registered_model(name, deployment_job_id=str(job_id))
    assert state_of(registry, name, version)[1] == ""
    refused = toy.call("approve", name, version)
    assert f"Deployment job {job_id} has not run for version {version} of {name}" in refused.err
    assert runs_of(client, job_id) == []
    registry.delete_registered_model(name)
    registry.create_registered_model(name)
    assert registry.get_registered_model(name).deployment_job_id == ""


def test_a_job_that_cannot_be_a_deployment_job_is_refused_and_later_known_by_its_state(
    jobs: Jobs, registry: mlflow.MlflowClient, client: WorkspaceClient, model: str, toy: Toy
) -> None:
    plain = make(jobs, parameters=PARAMETERS[:1])
    with pytest.raises(MlflowException, match="it needs the job parameters model_name and"):
        registry.update_registered_model(model, deployment_job_id=str(plain))
    with pytest.raises(MlflowException, match="job 999999, which does not exist"):
        registry.update_registered_model(model, deployment_job_id="999999")
    with pytest.raises(MlflowException, match="job nightly, which does not exist"):
        registry.create_registered_model(f"{model}_x", deployment_job_id="nightly")
    assert f"{model}_x" not in {each.name for each in registry.search_registered_models()}
    job_id = make(jobs)
    registry.update_registered_model(model, deployment_job_id=str(job_id))

    settings = jobs.there.ask("GET", f"/api/2.2/jobs/get?job_id={job_id}")["settings"]
    changed = settings | {"parameters": PARAMETERS[1:]}
    jobs.there.ask("POST", "/api/2.2/jobs/reset", {"job_id": job_id, "new_settings": changed})
    state = registry.get_registered_model(model).deployment_job_state
    assert state == "REQUIRED_PARAMETERS_CHANGED"
    # The version is registered all the same.
    version = register(registry, toy.state_dir, model)
    client.jobs.delete(job_id)
    assert state_of(registry, model, version)[:3] == (
        "NOT_FOUND",
        "",
        "NO_VALID_DEPLOYMENT_JOB_FOUND",
    )
    assert runs_of(client, job_id) == []


def test_an_approval_waits_for_the_run_to_fail(
    jobs: Jobs, registry: mlflow.MlflowClient, client: WorkspaceClient, model: str, toy: Toy
) -> None:
    wait = execute("Approval_Check", "import time; time.sleep(600)")
    job_id = jobs.create(wait, parameters=PARAMETERS)
    registry.update_registered_model(model, deployment_job_id=str(job_id))
    version = register(registry, toy.state_dir, model)
    (run_id,) = until(lambda: runs_of(client, job_id))
    running = ("CONNECTED", str(run_id), "RUNNING", "Approval_Check")
    until(lambda: state_of(registry, model, version) == running)

    shown = toy.call("approve", model, version)

    client.jobs.cancel_run(run_id)
    assert shown.status == 1
    assert f"Run {run_id} is RUNNING: approve when its task Approval_Check has failed." in shown.err
    assert json.dumps(registry.get_model_version(model, version).tags) == "{}"
    jobs.finish(run_id)
