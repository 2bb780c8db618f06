"""Routes for the current user, discovery and telemetry."""

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
        """Accept the CLI's telemetry and discard it."""
        return {"errors": [], "numProtoSuccess": len(body.get("protoLogs") or [])}

    @api.get("/.well-known/databricks-config")
    def discover() -> Any:
        # Without a sign-in endpoint the CLI warns at every call; the address is not served.
        endpoint = f"{address}/oidc"
        return {"oidc_endpoint": endpoint, "workspace_id": WORKSPACE_ID, "cloud": "AWS"}

    return api
