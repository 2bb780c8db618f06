"""The only SQL warehouse, always running: its statements run on the workspace's engine."""

from typing import Any

from fastapi import APIRouter

from ..identity import WAREHOUSE, WAREHOUSE_NAME
from .errors import missing
from .state import Document


def router() -> APIRouter:
    """Return the routes below `/api/2.0/sql/warehouses`."""
    api = APIRouter(prefix="/api/2.0/sql/warehouses")
    laptop: Document = {
        "id": WAREHOUSE,
        "name": WAREHOUSE_NAME,
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
        check_warehouse(name)
        return laptop

    return api


def check_warehouse(number: str) -> None:
    """Require that a warehouse exists.

    Raises:
        ApiError: 404 if it does not.
    """
    if number != WAREHOUSE:
        raise missing("RESOURCE_DOES_NOT_EXIST", "Warehouse", number, [WAREHOUSE])
