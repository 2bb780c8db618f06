"""Who is asking: one user, whose short name `laptop` becomes the prefix of dev resources."""

from typing import Any

from fastapi import APIRouter

USER_NAME = "laptop@localhost"
SHORT_NAME = "laptop"


def router() -> APIRouter:
    """Return the routes for the current user and for discovery."""
    api = APIRouter()

    @api.get("/api/2.0/preview/scim/v2/Me")
    def me() -> Any:
        return {"id": "1", "userName": USER_NAME, "displayName": SHORT_NAME, "active": True}

    @api.get("/.well-known/databricks-config")
    def discover() -> Any:
        return {"workspace_id": "1", "cloud": "AWS"}

    return api
