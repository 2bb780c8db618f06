"""Unity Catalog's API of registered models, backed by MLflow's registry."""

from typing import Any

import mlflow
from fastapi import APIRouter
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException

from ..identity import USER_NAME
from .errors import MADE_BY_RUN, ApiError, missing
from .requests import JsonBody, identifier
from .state import Document, State
from .unity import SCHEMA, lowered


def router(state: State) -> APIRouter:
    """Return the routes below `/api/2.1/unity-catalog/models`."""
    api = APIRouter(prefix="/api/2.1/unity-catalog/models")

    @api.post("")
    def create(body: JsonBody) -> Any:
        catalog, schema, name = lowered(body, "catalog_name", "schema_name", "name")
        if state.get(SCHEMA, f"{catalog}.{schema}") is None:
            raise missing("SCHEMA_DOES_NOT_EXIST", "Schema", f"{catalog}.{schema}")
        full_name = f"{catalog}.{schema}.{name}"
        try:
            model = mlflow.MlflowClient().create_registered_model(
                full_name,
                description=body.get("comment"),
                deployment_job_id=body.get("deployment_job_id"),
            )
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise refused(error) from error
            text = f"Model '{full_name}' exists. {MADE_BY_RUN}"
            raise ApiError(409, "RESOURCE_ALREADY_EXISTS", text) from error
        return describe(model)

    @api.get("")
    def list_models(catalog_name: str | None = None, schema_name: str | None = None) -> Any:
        found = map(describe, mlflow.MlflowClient().search_registered_models(max_results=1000))
        return {
            "registered_models": [
                model
                for model in found
                if catalog_name in (None, model["catalog_name"])
                and schema_name in (None, model["schema_name"])
            ]
        }

    @api.get("/{full_name}")
    def get(full_name: str, include_aliases: bool = False) -> Any:
        model = describe(model_of(full_name))
        return model if include_aliases else model | {"aliases": []}

    @api.patch("/{full_name}")
    def update(full_name: str, body: JsonBody) -> Any:
        model_of(full_name)
        comment, job_id = body.get("comment"), body.get("deployment_job_id")
        try:
            mlflow.MlflowClient().update_registered_model(full_name, comment, job_id)
        except MlflowException as error:
            raise refused(error) from error
        return describe(model_of(full_name))

    @api.delete("/{full_name}")
    def delete(full_name: str) -> Any:
        model_of(full_name)
        mlflow.MlflowClient().delete_registered_model(full_name)
        return {}

    @api.get("/{full_name}/versions")
    def list_versions(full_name: str) -> Any:
        model = model_of(full_name)
        versions = mlflow.MlflowClient().search_model_versions(f"name = '{full_name}'")
        return {"model_versions": [describe_version(model, v) for v in versions]}

    @api.get("/{full_name}/versions/{version}")
    def get_version(full_name: str, version: str) -> Any:
        return describe_version(model_of(full_name), version_of(full_name, version))

    @api.delete("/{full_name}/versions/{version}")
    def delete_version(full_name: str, version: str) -> Any:
        version_of(full_name, version)
        mlflow.MlflowClient().delete_model_version(full_name, version)
        return {}

    @api.get("/{full_name}/aliases/{alias}")
    def get_by_alias(full_name: str, alias: str) -> Any:
        model = model_of(full_name)
        if alias not in model.aliases:
            raise missing("RESOURCE_DOES_NOT_EXIST", "Alias", alias, list(model.aliases))
        version = mlflow.MlflowClient().get_model_version(full_name, model.aliases[alias])
        return describe_version(model, version)

    @api.put("/{full_name}/aliases/{alias}")
    def set_alias(full_name: str, alias: str, body: JsonBody) -> Any:
        number = identifier(body, "version_num")
        version_of(full_name, str(number))
        mlflow.MlflowClient().set_registered_model_alias(full_name, alias, str(number))
        return {"alias_name": alias, "version_num": number}

    @api.delete("/{full_name}/aliases/{alias}")
    def delete_alias(full_name: str, alias: str) -> Any:
        aliases = model_of(full_name).aliases
        if alias not in aliases:
            raise missing("RESOURCE_DOES_NOT_EXIST", "Alias", alias, list(aliases))
        mlflow.MlflowClient().delete_registered_model_alias(full_name, alias)
        return {}

    return api


def refused(error: MlflowException) -> ApiError:
    """Return an error of the registry as an ApiError."""
    return ApiError(error.get_http_status_code(), error.error_code, error.message)  # type: ignore[no-untyped-call]


def model_of(full_name: str) -> RegisteredModel:
    """Return a model."""
    try:
        return mlflow.MlflowClient().get_registered_model(full_name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        there = [m.name for m in mlflow.MlflowClient().search_registered_models()]
        raise missing("RESOURCE_DOES_NOT_EXIST", "Model", full_name, there) from error


def version_of(full_name: str, version: str) -> ModelVersion:
    """Return a model's version."""
    found = mlflow.MlflowClient().search_model_versions(f"name = '{model_of(full_name).name}'")
    for each in found:
        if str(each.version) == version:
            return each
    there = [str(each.version) for each in found]
    raise missing("RESOURCE_DOES_NOT_EXIST", f"Version of model '{full_name}'", version, there)


def describe(model: RegisteredModel) -> Document:
    """Return a model as Unity Catalog shows it."""
    catalog, schema, name = model.name.split(".")
    job = {
        "deployment_job_id": model.deployment_job_id,
        "deployment_job_state": model.deployment_job_state,
    }
    return {
        **(job if model.deployment_job_id else {}),
        "full_name": model.name,
        "catalog_name": catalog,
        "schema_name": schema,
        "name": name,
        "comment": model.description or "",
        "aliases": [
            {"alias_name": alias, "version_num": int(version)}
            for alias, version in model.aliases.items()
        ],
        "created_at": model.creation_timestamp,
        "updated_at": model.last_updated_timestamp,
    }


def describe_version(model: RegisteredModel, version: ModelVersion) -> Document:
    """Return a model version as Unity Catalog shows it, plus its tags."""
    return {
        "model_name": model.name.split(".")[2],
        "catalog_name": model.name.split(".")[0],
        "schema_name": model.name.split(".")[1],
        "version": int(version.version),
        "status": "READY",
        "comment": version.description or "",
        "run_id": version.run_id,
        "source": version.source,
        "created_at": version.creation_timestamp,
        "created_by": USER_NAME,
        "aliases": [
            {"alias_name": alias, "version_num": int(number)}
            for alias, number in model.aliases.items()
            if str(number) == str(version.version)
        ],
        "tags": dict(version.tags),
    }
