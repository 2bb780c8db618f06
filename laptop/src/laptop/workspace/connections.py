"""Unity Catalog connections: URLs and credentials of databases."""

import uuid
from typing import Any

from fastapi import APIRouter

from .errors import MADE_BY_RUN, ApiError, missing
from .requests import JsonBody
from .state import Document, State
from .unity import CONNECTION, lowered, stamps

JDBC = "JDBC"
_CHANGEABLE = ("comment", "environment_settings", "options", "owner")


def router(state: State) -> APIRouter:
    """Return the routes below `/api/2.1/unity-catalog/connections`."""
    api = APIRouter(prefix="/api/2.1/unity-catalog/connections")

    def connection_of(name: str) -> Document:
        connection = state.get(CONNECTION, name.lower())
        if connection is None:
            there = [each["name"] for each in state.all(CONNECTION)]
            raise missing("CONNECTION_DOES_NOT_EXIST", "Connection", name, there)
        return connection

    def require_new(name: str) -> None:
        if state.get(CONNECTION, name) is not None:
            text = f"Connection '{name}' already exists. {MADE_BY_RUN}"
            raise ApiError(409, "CONNECTION_ALREADY_EXISTS", text)

    @api.get("")
    def list_connections() -> Any:
        return {"connections": [shown(each) for each in state.all(CONNECTION)]}

    @api.post("")
    def create_connection(body: JsonBody) -> Any:
        name, kind = lowered(body, "name", "connection_type")
        if kind.upper() != JDBC:
            text = (
                f"A connection of type {kind.upper()} is not supported on the laptop: {JDBC} alone."
            )
            raise ApiError(501, "NOT_IMPLEMENTED", text)
        if not (body.get("options") or {}).get("url"):
            text = "A JDBC connection needs the option url, 'jdbc:postgresql://host:port/database'."
            raise ApiError(400, "INVALID_PARAMETER_VALUE", text)
        made = {
            "name": name,
            "full_name": name,
            "connection_type": JDBC,
            "connection_id": str(uuid.uuid4()),
            "securable_type": "CONNECTION",
            **stamps(),
        }
        with state.transaction():
            require_new(name)
            state.put(CONNECTION, name, body | made)
        return shown(body | made)

    @api.get("/{name}")
    def get_connection(name: str) -> Any:
        return shown(connection_of(name))

    @api.patch("/{name}")
    def update_connection(name: str, body: JsonBody) -> Any:
        with state.transaction():
            connection = connection_of(name)
            kept = {key: body[key] for key in _CHANGEABLE if key in body}
            changed = connection | kept | {"updated_at": stamps()["updated_at"]}
            if body.get("new_name"):
                (new,) = lowered(body, "new_name")
                require_new(new)
                changed |= {"name": new, "full_name": new}
                state.delete(CONNECTION, connection["name"])
            state.put(CONNECTION, changed["name"], changed)
        return shown(changed)

    @api.delete("/{name}")
    def delete_connection(name: str) -> Any:
        state.delete(CONNECTION, connection_of(name)["name"])
        return {}

    return api


def shown(connection: Document) -> Document:
    """Return a connection as the API shows it: without its password."""
    options = {k: v for k, v in connection["options"].items() if k.lower() != "password"}
    return connection | {"options": options}
