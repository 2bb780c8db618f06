"""Publishing to online stores, and the status of synced tables."""

from typing import Any

from fastapi import APIRouter

from .requests import JsonBody
from .synced_tables import SyncedTables


def router(tables: SyncedTables) -> APIRouter:
    """Return the routes of the feature store and of synced tables."""
    api = APIRouter(prefix="/api/2.0")

    @api.post("/feature-store/tables/{source}/publish")
    def publish(source: str, body: JsonBody) -> Any:
        return tables.publish(source, body.get("publish_spec") or {})

    @api.get("/database/synced_tables/{name}")
    def get(name: str) -> Any:
        return tables.get(name)

    @api.delete("/feature-store/online-tables/{name}")
    @api.delete("/database/synced_tables/{name}")
    def delete(name: str) -> Any:
        tables.delete(name)
        return {}

    return api
