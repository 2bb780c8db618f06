"""MLflow experiments, as `bundle deploy` creates them, and read access to runs.

Tasks write their runs directly to MLflow's store.
"""

import json
from typing import Any

import mlflow
from fastapi import APIRouter
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.utils.proto_json_utils import message_to_json

from .errors import MADE_BY_RUN, ApiError, missing
from .requests import JsonBody, required
from .state import Document

PAGE = 1000


def router() -> APIRouter:
    """Return the routes below `/api/2.0/mlflow`."""
    api = APIRouter(prefix="/api/2.0/mlflow")

    def experiment_of(number: str) -> Experiment:
        try:
            return mlflow.MlflowClient().get_experiment(number)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise missing("RESOURCE_DOES_NOT_EXIST", "Experiment", number) from error

    def check_free(name: str) -> None:
        if mlflow.MlflowClient().get_experiment_by_name(name) is not None:
            text = f"Experiment '{name}' already exists. {MADE_BY_RUN}"
            raise ApiError(400, "RESOURCE_ALREADY_EXISTS", text)

    @api.post("/experiments/create")
    def create(body: JsonBody) -> Any:
        (name,) = required(body, "name")
        check_free(name)
        tags = {tag["key"]: tag["value"] for tag in body.get("tags") or []}
        return {"experiment_id": mlflow.MlflowClient().create_experiment(name, tags=tags)}

    @api.get("/experiments/get")
    def get(experiment_id: str) -> Any:
        return {"experiment": describe(experiment_of(experiment_id))}

    @api.get("/experiments/get-by-name")
    def get_by_name(experiment_name: str) -> Any:
        client = mlflow.MlflowClient()
        found = client.get_experiment_by_name(experiment_name)
        if found is None:
            there = [each.name for each in client.search_experiments()]
            raise missing("RESOURCE_DOES_NOT_EXIST", "Experiment", experiment_name, there)
        return {"experiment": describe(found)}

    @api.get("/experiments/list")
    def list_experiments(max_results: int = PAGE, page_token: str = "") -> Any:
        return find({"max_results": max_results, "page_token": page_token})

    @api.post("/experiments/search")
    def search(body: JsonBody) -> Any:
        return find(body)

    @api.post("/experiments/update")
    def update(body: JsonBody) -> Any:
        (number,) = required(body, "experiment_id")
        name, now = body.get("new_name"), experiment_of(number).name
        if name and name != now:
            check_free(name)
            mlflow.MlflowClient().rename_experiment(number, name)
        return {}

    @api.post("/experiments/delete")
    def delete(body: JsonBody) -> Any:
        (number,) = required(body, "experiment_id")
        found = experiment_of(number)
        if found.lifecycle_stage != "active":
            raise missing("RESOURCE_DOES_NOT_EXIST", "Experiment", number)
        client = mlflow.MlflowClient()
        # MLflow reserves the name of a deleted experiment.
        client.rename_experiment(number, f"{found.name} (deleted {number})")
        client.delete_experiment(number)
        return {}

    @api.get("/runs/get")
    def get_run(run_id: str) -> Any:
        try:
            run = mlflow.MlflowClient().get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise missing("RESOURCE_DOES_NOT_EXIST", "Run", run_id) from error
        return {"run": json.loads(message_to_json(run.to_proto()))}

    return api


def find(wanted: Document) -> Document:
    """Return a page of the experiments that match a search."""
    found = mlflow.MlflowClient().search_experiments(
        filter_string=wanted.get("filter") or None,
        order_by=wanted.get("order_by") or None,
        max_results=int(wanted.get("max_results") or PAGE),
        page_token=wanted.get("page_token") or None,
    )
    after = {"next_page_token": found.token} if found.token else {}
    return {"experiments": [describe(each) for each in found], **after}


def describe(found: Experiment) -> Document:
    """Return an experiment as the API shows it."""
    return {
        "experiment_id": found.experiment_id,
        "name": found.name,
        "artifact_location": found.artifact_location,
        "lifecycle_stage": found.lifecycle_stage,
        "creation_time": found.creation_time,
        "last_update_time": found.last_update_time,
        "tags": [{"key": key, "value": value} for key, value in found.tags.items()],
    }
