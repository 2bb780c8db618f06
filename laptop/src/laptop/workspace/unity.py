"""Unity Catalog: catalogs, schemas, tables and the commits of managed Delta tables.

Sail resolves every name here, so this is the single source of table metadata.
"""

import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from fastapi import APIRouter

from ..features.types import simple_name
from ..identity import USER_NAME
from .errors import MADE_BY_RUN, ApiError, missing
from .requests import JsonBody, required
from .state import Document, State

CATALOG, SCHEMA, TABLE, COMMITS = "catalog", "schema", "table", "commits"
VOLUME, FUNCTION, CONNECTION = "volume", "function", "connection"
VIEW = "VIEW"

CHANGEABLE = frozenset({"comment", "properties", "owner", "columns"})


def router(state: State) -> APIRouter:
    """Return the routes below `/api/2.1/unity-catalog` for catalogs, schemas and tables."""
    api = APIRouter(prefix="/api/2.1/unity-catalog")

    def catalog_of(name: str) -> Document:
        catalog = state.get(CATALOG, name.lower())
        if catalog is None:
            there = [c["name"] for c in state.all(CATALOG)]
            raise missing("CATALOG_DOES_NOT_EXIST", "Catalog", name, there)
        return catalog

    def schema_of(full_name: str) -> Document:
        schema = state.get(SCHEMA, full_name.lower())
        if schema is None:
            names = [s["full_name"] for s in state.all(SCHEMA)]
            raise missing("SCHEMA_DOES_NOT_EXIST", "Schema", full_name, names)
        return schema

    def table_of(full_name: str) -> Document:
        table = state.get(TABLE, full_name.lower())
        if table is None:
            raise missing("TABLE_DOES_NOT_EXIST", "Table", full_name, siblings(full_name))
        return locate(table)

    def locate(table: Document) -> Document:
        if table.get("table_type") == VIEW:
            return table
        # Not the stored location: the state folder may be a copy.
        place = state.folder / "tables" / table["table_id"]
        return table | {"storage_location": place.as_uri()}

    def siblings(full_name: str) -> list[str]:
        schema = full_name.rpartition(".")[0]
        return [t["name"] for t in tables_in(schema)]

    def tables_in(schema: str) -> list[Document]:
        schema = schema.lower()
        found = [t for t in state.all(TABLE) if schema == t["full_name"].rpartition(".")[0]]
        return [locate(table) for table in found]

    def update(
        kind: str, find: Callable[[str], Document], full_name: str, body: Document
    ) -> Document:
        with state.transaction():
            changed = find(full_name) | {k: v for k, v in body.items() if k in CHANGEABLE}
            changed["updated_at"] = stamps()["updated_at"]
            state.put(kind, full_name.lower(), changed)
        return changed

    @api.get("/catalogs")
    def list_catalogs() -> Any:
        return {"catalogs": state.all(CATALOG)}

    @api.get("/catalogs/{name}")
    def get_catalog(name: str) -> Any:
        return catalog_of(name)

    @api.post("/catalogs")
    def create_catalog(body: JsonBody) -> Any:
        (name,) = lowered(body, "name")
        with state.transaction():
            if state.get(CATALOG, name) is not None:
                raise ApiError(409, "CATALOG_ALREADY_EXISTS", f"Catalog '{name}' already exists.")
            catalog = body | {"name": name, "catalog_type": "MANAGED_CATALOG"} | stamps()
            state.put(CATALOG, name, catalog)
        return catalog

    @api.patch("/catalogs/{name}")
    def update_catalog(name: str, body: JsonBody) -> Any:
        return update(CATALOG, catalog_of, name, body)

    @api.delete("/catalogs/{name}")
    def delete_catalog(name: str, force: bool = False) -> Any:
        inside = [s["full_name"] for s in list_schemas(catalog_of(name)["name"])["schemas"]]
        if inside and not force:
            text = f"Catalog '{name}' is not empty: it has {', '.join(inside)}."
            raise ApiError(400, "INVALID_STATE", text)
        for schema in inside:
            delete_schema(schema, force=True)
        state.delete(CATALOG, name.lower())
        return {}

    @api.get("/schemas")
    def list_schemas(catalog_name: str) -> Any:
        name = catalog_of(catalog_name)["name"]
        return {"schemas": [s for s in state.all(SCHEMA) if s["catalog_name"] == name]}

    @api.post("/schemas")
    def create_schema(body: JsonBody) -> Any:
        catalog, name = lowered(body, "catalog_name", "name")
        catalog_of(catalog)
        full_name = f"{catalog}.{name}"
        with state.transaction():
            if state.get(SCHEMA, full_name) is not None:
                text = f"Schema '{full_name}' exists. {MADE_BY_RUN}"
                raise ApiError(409, "SCHEMA_ALREADY_EXISTS", text)
            named = {"catalog_name": catalog, "name": name, "full_name": full_name}
            schema = body | named | {"schema_id": str(uuid.uuid4())} | stamps()
            state.put(SCHEMA, full_name, schema)
        return schema

    @api.get("/schemas/{full_name}")
    def get_schema(full_name: str) -> Any:
        return schema_of(full_name)

    @api.patch("/schemas/{full_name}")
    def update_schema(full_name: str, body: JsonBody) -> Any:
        return update(SCHEMA, schema_of, full_name, body)

    @api.delete("/schemas/{full_name}")
    def delete_schema(full_name: str, force: bool = False) -> Any:
        full_name = schema_of(full_name)["full_name"]
        inside, volumes = tables_in(full_name), state.all(VOLUME, f"{full_name}.")
        functions = state.all(FUNCTION, f"{full_name}.")
        if (inside or volumes or functions) and not force:
            names = ", ".join(each["name"] for each in (*inside, *volumes, *functions))
            raise ApiError(
                400, "INVALID_STATE", f"Schema '{full_name}' is not empty: it has {names}."
            )
        for table in inside:
            drop(table)
        for volume in volumes:
            drop_volume(state, volume)
        for function in functions:
            state.delete(FUNCTION, function["full_name"])
        state.delete(SCHEMA, full_name)
        return {}

    @api.get("/tables")
    def list_tables(catalog_name: str, schema_name: str) -> Any:
        schema_of(f"{catalog_name}.{schema_name}")
        return {"tables": tables_in(f"{catalog_name}.{schema_name}")}

    @api.post("/staging-tables")
    def create_staging_table(body: JsonBody) -> Any:
        catalog, schema, name = lowered(body, "catalog_name", "schema_name", "name")
        schema_of(f"{catalog}.{schema}")
        identifier = str(uuid.uuid4())
        location = state.folder / "tables" / identifier
        location.mkdir(parents=True)
        return {
            "catalog_name": catalog,
            "schema_name": schema,
            "name": name,
            "id": identifier,
            "staging_location": location.as_uri(),
        }

    @api.post("/tables")
    def create_table(body: JsonBody) -> Any:
        catalog, schema, name = lowered(body, "catalog_name", "schema_name", "name")
        schema_of(f"{catalog}.{schema}")
        full_name = f"{catalog}.{schema}.{name}"
        identifier = str(uuid.uuid4())
        if body.get("table_type") != VIEW:
            (location,) = required(body, "storage_location")
            folder = Path(unquote(urlparse(location).path))
            identifier = folder.name
            if folder != state.folder / "tables" / identifier or identifier in ("", ".."):
                text = (
                    f"A table with a location of its own, {location}, is not supported on the "
                    "laptop."
                )
                raise ApiError(501, "NOT_IMPLEMENTED", text)
        with state.transaction():
            if state.get(TABLE, full_name) is not None:
                raise ApiError(409, "TABLE_ALREADY_EXISTS", f"Table '{full_name}' exists.")
            levels = {"catalog_name": catalog, "schema_name": schema, "name": name}
            table = body | levels | {"full_name": full_name, "table_id": identifier} | stamps()
            for column in table.get("columns") or []:
                column["type_text"] = simple_name(column.get("type_text") or "")
            state.put(TABLE, full_name, table)
        return table

    @api.post("/tables/{full_name}/replace")
    def replace_table(full_name: str, body: JsonBody) -> Any:
        """Replace a table with another one; Databricks has no such route."""
        (draft,) = required(body, "name")
        with state.transaction():
            old, new = table_of(full_name), table_of(draft)
            name = old["full_name"]
            kept = {"name": old["name"], "full_name": name, "created_at": old["created_at"]}
            state.delete(TABLE, draft)
            state.put(TABLE, name, new | kept)
        forget(old)
        return {}

    @api.get("/tables/{full_name}")
    def get_table(full_name: str) -> Any:
        table = table_of(full_name)
        known = state.get(COMMITS, table["table_id"]) or {"latest": 0}
        # Unity Catalog shows the latest version of the Delta log here.
        version = {"delta.lastUpdateVersion": str(known["latest"])}
        return table | {"properties": {**(table.get("properties") or {}), **version}}

    @api.get("/tables/{full_name}/exists")
    def has_table(full_name: str) -> Any:
        return {"table_exists": state.get(TABLE, full_name.lower()) is not None}

    @api.patch("/tables/{full_name}")
    def update_table(full_name: str, body: JsonBody) -> Any:
        if "new_name" in body:
            (new,) = lowered(body, "new_name")
            with state.transaction():
                table = table_of(full_name)
                if state.get(TABLE, new) is not None:
                    raise ApiError(409, "TABLE_ALREADY_EXISTS", f"Table '{new}' exists.")
                catalog, schema, name = new.split(".")
                schema_of(f"{catalog}.{schema}")
                state.delete(TABLE, table["full_name"])
                levels = {"catalog_name": catalog, "schema_name": schema, "name": name}
                state.put(TABLE, new, table | levels | {"full_name": new})
            return table_of(new)
        return update(TABLE, table_of, full_name, body)

    @api.delete("/tables/{full_name}")
    def delete_table(full_name: str) -> Any:
        drop(table_of(full_name))
        return {}

    @api.post("/constraints")
    def create_constraint(body: JsonBody) -> Any:
        (full_name,) = required(body, "full_name_arg")
        constraint = body.get("constraint") or {}
        key = constraint.get("primary_key_constraint") or constraint.get("foreign_key_constraint")
        if key is None:
            text = "The laptop records primary and foreign keys alone."
            raise ApiError(501, "NOT_IMPLEMENTED", text)
        with state.transaction():
            table = table_of(full_name)
            there = {c["name"].lower(): c for c in table.get("columns", [])}
            unknown = [c for c in key.get("child_columns", []) if c.lower() not in there]
            if unknown:
                raise missing("COLUMN_DOES_NOT_EXIST", "Column", unknown[0], sorted(there))
            known = table.get("table_constraints") or []
            if "primary_key_constraint" in constraint:
                if any("primary_key_constraint" in each for each in known):
                    text = f"Table '{full_name}' has a primary key."
                    raise ApiError(409, "ALREADY_EXISTS", text)
                for column in key["child_columns"]:
                    if there[column.lower()].get("nullable", True):
                        raise ApiError(
                            400,
                            "INVALID_PARAMETER_VALUE",
                            f"Cannot create the primary key `{key.get('name')}` because its child "
                            f"column(s) `{column}` is nullable. Please change the column "
                            "nullability and retry.",
                        )
            constraints = [*known, constraint]
            state.put(TABLE, table["full_name"], table | {"table_constraints": constraints})
        return constraint

    @api.delete("/constraints/{full_name}")
    def delete_constraint(full_name: str, constraint_name: str = "") -> Any:
        with state.transaction():
            table = table_of(full_name)
            known = table.get("table_constraints") or []

            def meant(constraint: Document) -> bool:
                ((kind, key),) = constraint.items()
                # Without a name, it is the primary key.
                primary = kind == "primary_key_constraint"
                named = str(key.get("name")).lower() == constraint_name.lower()
                return named if constraint_name else primary

            kept = [each for each in known if not meant(each)]
            state.put(TABLE, table["full_name"], table | {"table_constraints": kept})
        return {}

    @api.get("/delta/preview/commits")
    def get_commits(body: JsonBody) -> Any:
        (identifier,) = required(body, "table_id")
        known = state.get(COMMITS, identifier) or {"commits": [], "latest": 0}
        first = int(body.get("start_version") or 0)
        commits = [c for c in known["commits"] if c["version"] >= first]
        return {"commits": commits, "latest_table_version": known["latest"]}

    @api.post("/delta/preview/commits")
    def commit(body: JsonBody) -> Any:
        (identifier,) = required(body, "table_id")
        with state.transaction():
            known = state.get(COMMITS, identifier) or {"commits": [], "latest": 0}
            new = body.get("commit_info")
            if new is not None:
                if new["version"] <= known["latest"]:
                    raise ApiError(409, "ALREADY_EXISTS", f"Version {new['version']} exists.")
                known["commits"].append(new)
                known["latest"] = new["version"]
                evolve(identifier, body.get("metadata") or {})
            # Keep published ones too: if one is missing, Sail asks again, then falls back to the
            # folder, which may have a file of that version from a writer that lost a race.
            state.put(COMMITS, identifier, known)
        return {}

    def evolve(identifier: str, metadata: Document) -> None:
        columns = (metadata.get("schema") or {}).get("columns") or []
        tables = (each for each in state.all(TABLE) if each["table_id"] == identifier)
        for table in tables if columns else ():
            # Existing columns keep their metadata.
            known = {c["name"].lower(): c for c in table.get("columns") or []}
            kept = [known.get(c["name"].lower(), c) for c in columns]
            state.put(TABLE, table["full_name"], table | {"columns": kept})

    def drop(table: Document) -> None:
        state.delete(TABLE, table["full_name"])
        forget(table)

    def forget(table: Document) -> None:
        state.delete(COMMITS, table["table_id"])
        folder = state.folder / "tables" / table["table_id"]
        shutil.rmtree(folder, ignore_errors=True)

    return api


def volume_folder(state: State, volume: Document) -> Path:
    """Return the folder that holds a volume's files."""
    return state.folder / "volumes" / str(volume["volume_id"])


def drop_volume(state: State, volume: Document) -> None:
    """Delete a volume with its files."""
    state.delete(VOLUME, volume["full_name"])
    shutil.rmtree(volume_folder(state, volume), ignore_errors=True)


def lowered(body: Document, *keys: str) -> list[str]:
    """Return required names in lower case, as Unity Catalog stores them."""
    return [name.lower() for name in required(body, *keys)]


def stamps() -> Document:
    """Return the owner and timestamps of a new object."""
    now = int(time.time() * 1000)
    return {"owner": USER_NAME, "created_at": now, "updated_at": now}
