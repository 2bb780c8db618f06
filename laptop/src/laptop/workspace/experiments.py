"""Experiments, as a bundle's deploy makes them; runs reach MLflow's store directly."""

from typing import Any

import mlflow
from fastapi import APIRouter

from .errors import ApiError, missing
from .requests import JsonBody, required


def router() -> APIRouter:
    """Return the routes below `/api/2.0/mlflow/experiments`."""
    api = APIRouter(prefix="/api/2.0/mlflow/experiments")

    @api.post("/create")
    def create(body: JsonBody) -> Any:
        (name,) = required(body, "name")
        client = mlflow.MlflowClient()
        if client.get_experiment_by_name(name) is not None:
            text = f"Experiment '{name}' already exists."
            raise ApiError(400, "RESOURCE_ALREADY_EXISTS", text)
        tags = {tag["key"]: tag["value"] for tag in body.get("tags") or []}
        return {"experiment_id": client.create_experiment(name, tags=tags)}

    @api.get("/get-by-name")
    def get_by_name(experiment_name: str) -> Any:
        client = mlflow.MlflowClient()
        found = client.get_experiment_by_name(experiment_name)
        if found is None:
            there = [each.name for each in client.search_experiments()]
            raise missing("RESOURCE_DOES_NOT_EXIST", "Experiment", experiment_name, there)
        return {
            "experiment": {
                "experiment_id": found.experiment_id,
                "name": found.name,
                "artifact_location": found.artifact_location,
                "lifecycle_stage": found.lifecycle_stage,
                "tags": [{"key": k, "value": v} for k, v in found.tags.items()],
            }
        }

    return api
