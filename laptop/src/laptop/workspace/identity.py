"""Who is asking, and where: the one user, discovery, and what the CLI tells its maker."""

from typing import Any

from fastapi import APIRouter, Response

from ..identity import SCIM_FIELDS, USER_NAME, WORKSPACE_ID
from .requests import JsonBody


def router(address: str) -> APIRouter:
    """Return the routes for the current user, for discovery and for telemetry."""
    api = APIRouter()

    @api.get("/api/2.0/preview/scim/v2/Me")
    def me(response: Response) -> Any:
        response.headers["X-Databricks-Org-Id"] = WORKSPACE_ID
        return {"userName": USER_NAME, **SCIM_FIELDS}

    @api.post("/telemetry-ext")
    def forget(body: JsonBody) -> Any:
        """Take what the CLI tells its maker, and keep nothing."""
        return {"errors": [], "numProtoSuccess": len(body.get("protoLogs") or [])}

    @api.get("/.well-known/databricks-config")
    def discover() -> Any:
        # Without an endpoint for sign-in the CLI warns at every call; nothing answers there.
        endpoint = f"{address}/oidc"
        return {"oidc_endpoint": endpoint, "workspace_id": WORKSPACE_ID, "cloud": "AWS"}

    return api
