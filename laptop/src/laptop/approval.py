"""Approval of a model version, like the Approve button on Databricks' version page."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from .connection import Connection
from .errors import LaptopError
from .jobs.outcomes import CANCELED, FAILED, TIMED_OUT
from .state_dir import StateDir
from .status import UNITY, find_version, read_models

JOBS = "/api/2.2/jobs"
APPROVED = "Approved"
MOST_RUNS = 1000
LINK = (
    "Link one: MlflowClient(registry_uri='databricks-uc').update_registered_model(name, "
    "deployment_job_id=…)"
)

Document = dict[str, Any]


def approve_version(
    there: Connection, state_dir: StateDir, model: str, version: int, task: str
) -> Iterator[str]:
    """Tag a version as approved and repair its deployment run; yield progress messages.

    Raises:
        LaptopError: There is no such version, no deployment job, or no run of it with the task
            failed.
    """
    name = find_version(read_models(there), model, version)["name"]
    job_id = there.ask("GET", f"{UNITY}/models/{quote(name)}").get("deployment_job_id")
    if not job_id:
        raise LaptopError(f"Model {name} has no deployment job. {LINK}")
    run = find_run(there, job_id, name, version)
    require_failed(run, task)
    tag_version(state_dir, name, version, task)
    yield f"Version {version} of {name} has the tag {task} = {APPROVED}."
    run_id = run["run_id"]
    history = there.ask("GET", f"{JOBS}/runs/get?run_id={run_id}&include_history=true")
    body: Document = {"run_id": run_id, "rerun_all_failed_tasks": True}
    if "id" in history["repair_history"][-1]:
        body["latest_repair_id"] = history["repair_history"][-1]["id"]
    repair_id = there.ask("POST", f"{JOBS}/runs/repair", body)["repair_id"]
    yield f"Repair {repair_id} of run {run_id} of '{run['run_name']}' has been started."
    yield "Next: laptop status"


def find_run(there: Connection, job_id: str, name: str, version: int) -> Document:
    """Return the newest run of a deployment job for a version."""
    path = f"{JOBS}/runs/list?job_id={job_id}&expand_tasks=true&limit={MOST_RUNS}"
    wanted = {"model_name": name, "model_version": str(version)}
    for run in there.ask("GET", path)["runs"]:
        given = {each["name"]: each["value"] for each in run["job_parameters"]}
        if wanted.items() <= given.items():
            return dict(run)
    raise LaptopError(
        f"Deployment job {job_id} has not run for version {version} of {name}. Start it with "
        f"model_name={name} and model_version={version}."
    )


def require_failed(run: Document, task: str) -> None:
    """Raise an error unless the task has failed: an approval task fails until approved."""
    run_id, state = run["run_id"], run["state"]
    if "result_state" not in state:
        raise LaptopError(
            f"Run {run_id} is {state['life_cycle_state']}: approve when its task {task} has failed."
        )
    states = {each["task_key"]: each["state"] for each in run["tasks"]}
    if task not in states:
        there = ", ".join(sorted(states))
        raise LaptopError(f"Run {run_id} has no task '{task}'. There are: {there}. Give --task.")
    result = states[task].get("result_state")
    # If the workspace stops during a repair, the task is canceled.
    if result not in (FAILED, TIMED_OUT, CANCELED):
        raise LaptopError(
            f"Task {task} of run {run_id} is {result}; only one that has failed waits for an "
            "approval."
        )


def tag_version(state_dir: StateDir, name: str, version: int, task: str) -> None:
    """Set the tag checked by the approval task."""
    import mlflow

    uri = f"laptop://{state_dir.path.resolve().as_uri().removeprefix('file://')}"
    registry = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    registry.set_model_version_tag(name, str(version), task, APPROVED)
