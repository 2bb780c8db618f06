"""Online tables, as the teardown of a project deletes them; tasks publish to the store itself."""

from typing import Any

from fastapi import APIRouter

from .errors import missing
from .state import State


def router(state: State) -> APIRouter:
    """Return the routes below `/api/2.0/feature-store`."""
    api = APIRouter(prefix="/api/2.0/feature-store")

    @api.delete("/online-tables/{full_name}")
    def delete(full_name: str) -> Any:
        # What it needs takes a second to import.
        from ..features.online import OnlineStore

        store = OnlineStore(state.home)
        try:
            if not store.withdraw(full_name):
                raise missing("RESOURCE_DOES_NOT_EXIST", "Online table", full_name)
        finally:
            store.close()
        return {}

    return api
