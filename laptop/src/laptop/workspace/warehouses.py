"""The one SQL warehouse, which always runs: statements go to the workspace's engine."""

from typing import Any

from fastapi import APIRouter

from .errors import missing
from .state import Document

WAREHOUSE = "laptop"


def router() -> APIRouter:
    """Return the routes below `/api/2.0/sql/warehouses`."""
    api = APIRouter(prefix="/api/2.0/sql/warehouses")
    laptop: Document = {
        "id": WAREHOUSE,
        "name": WAREHOUSE,
        "state": "RUNNING",
        "warehouse_type": "PRO",
        "enable_serverless_compute": True,
        "num_clusters": 1,
    }

    @api.get("")
    def list_warehouses() -> Any:
        return {"warehouses": [laptop]}

    @api.get("/{name}")
    def get(name: str) -> Any:
        if name != WAREHOUSE:
            raise missing("RESOURCE_DOES_NOT_EXIST", "Warehouse", name, [WAREHOUSE])
        return laptop

    return api
