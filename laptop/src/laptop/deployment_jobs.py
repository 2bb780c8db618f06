"""Deployment jobs: jobs started for each new version of a registered model.

Models are linked to jobs through MLflow only. The link is stored in the catalog; the job's state
is read on request.
"""

# MLflow's own entities are not annotated.
# mypy: disallow-untyped-calls=False

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from mlflow.entities.model_registry import (
    ModelVersion,
    ModelVersionDeploymentJobState,
    RegisteredModel,
)
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST

from . import connection
from .errors import LaptopError
from .jobs.outcomes import BROKEN, SUCCESS, WITH_FAILURES
from .jobs.records import JOB, RUN, has_ended, last_attempts, stored_attempts
from .state_dir import StateDir
from .workspace.state import Document, State

LINK = "deployment-job"
PARAMETERS = ("model_name", "model_version")
# MLflow's value for an unknown state.
NOTHING = "DEPLOYMENT_JOB_RUN_STATE_UNSPECIFIED"


@dataclass(frozen=True)
class DeploymentJobs:
    """The deployment jobs of a workspace's models.

    Attributes:
        state_dir: The workspace's state folder.
    """

    state_dir: StateDir

    @contextmanager
    def _open(self) -> Iterator[State | None]:
        """Yield the catalog; None if it does not exist yet, and so no job does."""
        if not self.state_dir.catalog_db.exists():
            yield None
            return
        with closing(State(self.state_dir.path)) as state:
            yield state

    def check(self, model: str, job_id: object) -> None:
        """Check that a job can be a model's deployment job.

        Raises:
            MlflowException: The job does not exist, or lacks a parameter.
        """
        if str(job_id) == "":
            return
        with self._open() as state:
            condition = connection_of(state, str(job_id))
        if condition == "NOT_FOUND":
            text = f"Model '{model}' cannot be linked to job {job_id}, which does not exist."
            raise MlflowException(text, RESOURCE_DOES_NOT_EXIST)
        if condition != "CONNECTED":
            raise MlflowException(
                f"Job {job_id} cannot be the deployment job of '{model}': it needs the job "
                f"parameters {' and '.join(PARAMETERS)}.",
                INVALID_PARAMETER_VALUE,
            )

    def link(self, model: str, job_id: object) -> None:
        """Link a model to a job; "" unlinks it."""
        with self._open() as state:
            if state is not None and str(job_id):
                state.put(LINK, model, {"job_id": str(job_id)})
            elif state is not None:
                state.delete(LINK, model)

    def start(self, model: str, version: str) -> None:
        """Start a model's deployment job, if it has one, for a new version.

        As on Databricks, the version is kept even if the job cannot be started.
        """
        with self._open() as state:
            job_id = linked(state, model)
        if not job_id:
            return
        body = {
            "job_id": int(job_id),
            "job_parameters": dict(zip(PARAMETERS, (model, str(version)), strict=True)),
        }
        try:
            there = connection.find(self.state_dir)
            if there is None:
                raise LaptopError("no workspace is up.")
            there.ask("POST", "/api/2.2/jobs/run-now", body)
        except LaptopError as error:
            print(
                f"Version {version} of {model} is registered, but its deployment job {job_id} was "
                f"not started: {error} Start it with model_name and model_version.",
                file=sys.stderr,
            )

    def describe_models(self, models: list[RegisteredModel]) -> None:
        """Add the deployment job and its link state to each model."""
        with self._open() as state:
            for model in models:
                job_id = linked(state, model.name)
                model._deployment_job_id = job_id
                model._deployment_job_state = (
                    connection_of(state, job_id) if job_id else "NOT_SET_UP"
                )

    def describe_versions(self, versions: list[ModelVersion]) -> None:
        """Add the state of the deployment job's run to each version."""
        with self._open() as state:
            for version in versions:
                job_id = linked(state, version.name)
                if state is not None and job_id:
                    found = find_run(state, job_id, version.name, str(version.version))
                    condition = connection_of(state, job_id)
                    stand, task = describe_state(state, found)
                    if found is None and condition != "CONNECTED":
                        stand = "NO_VALID_DEPLOYMENT_JOB_FOUND"
                    version._deployment_job_state = ModelVersionDeploymentJobState(
                        job_id, str(found["run_id"]) if found else "", condition, stand, task
                    )


def linked(state: State | None, model: str) -> str:
    """Return the id of a model's deployment job; empty if it has none."""
    found = state.get(LINK, model) if state is not None else None
    return str(found["job_id"]) if found else ""


def connection_of(state: State | None, job_id: str) -> str:
    """Return MLflow's connection state of a deployment job."""
    name = f"{int(job_id):09d}" if job_id.isdecimal() else ""
    job = state.get(JOB, name) if state is not None else None
    if job is None:
        return "NOT_FOUND"
    declared = {each["name"] for each in job["settings"].get("parameters") or []}
    return "CONNECTED" if declared.issuperset(PARAMETERS) else "REQUIRED_PARAMETERS_CHANGED"


def find_run(state: State, job_id: str, model: str, version: str) -> Document | None:
    """Return the newest run of a job for a version of a model."""
    wanted = dict(zip(PARAMETERS, (model, version), strict=True))
    for run in reversed(state.all(RUN)):
        given = {each["name"]: each["value"] for each in run.get("job_parameters") or []}
        if str(run["job_id"]) == job_id and wanted.items() <= given.items():
            return run
    return None


def describe_state(state: State, run: Document | None) -> tuple[str, str]:
    """Return MLflow's state of a run, and the current or failed task."""
    if run is None:
        return NOTHING, ""
    tasks = last_attempts(stored_attempts(state, run["run_id"]))
    at = {key: each["state"] for key, each in tasks.items()}
    if not has_ended(run):
        started = [k for k, each in at.items() if each["life_cycle_state"] == "RUNNING"]
        return ("RUNNING", started[0]) if started else ("PENDING", "")
    if run["state"].get("result_state") in (SUCCESS, WITH_FAILURES):
        return "SUCCEEDED", ""
    failed = [key for key, each in at.items() if each.get("result_state") in BROKEN]
    first = failed[0] if failed else ""
    return "APPROVAL" if first.lower().startswith("approval") else "FAILED", first
