"""Unity Catalog functions, as CREATE FUNCTION stores them."""

import uuid
from typing import Any

from fastapi import APIRouter

from .errors import ApiError, missing
from .requests import JsonBody, required
from .state import Document, State
from .unity import FUNCTION, SCHEMA, lowered, stamps

ROUTES = "/api/2.1/unity-catalog/functions"
# The feature engineering client uses the older version to read and delete.
FORMER_ROUTES = "/api/2.0/unity-catalog/functions"


def router(state: State) -> APIRouter:
    """Return the routes of functions."""
    api = APIRouter()

    def function_of(full_name: str) -> Document:
        function = state.get(FUNCTION, full_name.lower())
        if function is None:
            schema = full_name.lower().rpartition(".")[0]
            there = [each["name"] for each in state.all(FUNCTION, f"{schema}.")]
            raise missing("ROUTINE_DOES_NOT_EXIST", "Function", full_name, there)
        return function

    @api.post(ROUTES)
    def create_function(body: JsonBody) -> Any:
        """Store a function; `replace` is an extension of Databricks' API."""
        given = body.get("function_info") or {}
        catalog, schema, name = lowered(given, "catalog_name", "schema_name", "name")
        required(given, "data_type", "full_data_type", "routine_definition")
        language = (given.get("external_language") or "SQL").upper()
        if given.get("routine_body") != "EXTERNAL" or language != "PYTHON":
            text = (
                f"A function in {language} is not supported on the laptop. Give routine_body "
                "EXTERNAL and external_language Python."
            )
            raise ApiError(501, "NOT_IMPLEMENTED", text)
        if state.get(SCHEMA, f"{catalog}.{schema}") is None:
            raise missing("SCHEMA_DOES_NOT_EXIST", "Schema", f"{catalog}.{schema}")
        full_name = f"{catalog}.{schema}.{name}"
        levels = {"catalog_name": catalog, "schema_name": schema, "name": name}
        made = {"full_name": full_name, "function_id": str(uuid.uuid4()), **stamps()}
        with state.transaction():
            present = state.get(FUNCTION, full_name)
            if present is not None and not body.get("replace"):
                text = f"Function '{full_name}' exists."
                raise ApiError(409, "ROUTINE_ALREADY_EXISTS", text)
            if present is not None:
                made["created_at"] = present["created_at"]
            function = given | {"external_language": "Python"} | levels | made
            state.put(FUNCTION, full_name, function)
        return function

    @api.get(ROUTES)
    def list_functions(catalog_name: str, schema_name: str) -> Any:
        schema = f"{catalog_name}.{schema_name}".lower()
        if state.get(SCHEMA, schema) is None:
            raise missing("SCHEMA_DOES_NOT_EXIST", "Schema", schema)
        return {"functions": state.all(FUNCTION, f"{schema}.")}

    @api.get(f"{ROUTES}/{{full_name}}")
    @api.get(f"{FORMER_ROUTES}/{{full_name}}")
    def get_function(full_name: str) -> Any:
        return function_of(full_name)

    @api.patch(f"{ROUTES}/{{full_name}}")
    def update_function(full_name: str, body: JsonBody) -> Any:
        (owner,) = required(body, "owner")
        with state.transaction():
            changed = {"owner": owner, "updated_at": stamps()["updated_at"]}
            function = function_of(full_name) | changed
            state.put(FUNCTION, function["full_name"], function)
        return function

    @api.delete(f"{ROUTES}/{{full_name}}")
    @api.delete(f"{FORMER_ROUTES}/{{full_name}}")
    def delete_function(full_name: str) -> Any:
        state.delete(FUNCTION, function_of(full_name)["full_name"])
        return {}

    return api
