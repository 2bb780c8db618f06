"""AI/BI dashboards: drafts, published versions and the trash."""

import json
import uuid
from typing import Any

from fastapi import APIRouter

from ..clock import now_text
from ..identity import USER_NAME
from .errors import ApiError, missing
from .requests import JsonBody, page, required
from .state import Document, State
from .tree import FileTree
from .warehouses import check_warehouse

DASHBOARD = "dashboard"
PUBLISHED = "published-dashboard"
SUFFIX = ".lvdash.json"
PAGE = 100
# Fields of a dashboard in a list.
LISTED = ("dashboard_id", "display_name", "create_time", "warehouse_id", "lifecycle_state")


def router(state: State, tree: FileTree) -> APIRouter:
    """Return the routes below `/api/2.0/lakeview/dashboards`.

    Schedules, subscriptions and migration are not supported.
    """
    api = APIRouter(prefix="/api/2.0/lakeview/dashboards")

    def read(number: str) -> Document:
        found = state.get(DASHBOARD, number)
        if found is None:
            raise missing("RESOURCE_DOES_NOT_EXIST", "Dashboard", number)
        return found

    def read_draft(number: str) -> Document:
        found = read(number)
        if found["lifecycle_state"] != "ACTIVE":
            raise missing("RESOURCE_DOES_NOT_EXIST", "Dashboard", number)
        return found

    def check_free(path: str, number: str) -> None:
        for each in state.all(DASHBOARD):
            if each["path"] == path and each["dashboard_id"] != number:
                text = f"Path ({path}) already exists."
                raise ApiError(400, "RESOURCE_ALREADY_EXISTS", text)

    def write(found: Document, body: Document, catalog: str, schema: str) -> Document:
        """Store a draft with the fields of a request."""
        for field in ("display_name", "warehouse_id"):
            if body.get(field):
                found[field] = str(body[field])
        if found.get("warehouse_id"):
            check_warehouse(found["warehouse_id"])
        if body.get("serialized_dashboard"):
            text = str(body["serialized_dashboard"])
            found["serialized_dashboard"] = complete(text, catalog, schema)
        found["path"] = f"{found['parent_path']}/{found['display_name']}{SUFFIX}"
        check_free(found["path"], found["dashboard_id"])
        found["etag"] = str(int(found.get("etag", "0")) + 1)
        found["update_time"] = now_text()
        state.put(DASHBOARD, found["dashboard_id"], found)
        return found

    @api.post("")
    def create(body: JsonBody, dataset_catalog: str = "", dataset_schema: str = "") -> Any:
        required(body, "display_name")
        parent = str(body.get("parent_path") or f"/Users/{USER_NAME}")
        check_folder(tree, parent)
        found: Document = {
            "dashboard_id": uuid.uuid4().hex,
            "create_time": now_text(),
            "lifecycle_state": "ACTIVE",
            "parent_path": bare_path(parent),
            "serialized_dashboard": "{}\n",
        }
        with state.transaction():
            return write(found, body, dataset_catalog, dataset_schema)

    @api.get("")
    def list_all(
        page_size: int = PAGE,
        page_token: str = "",
        show_trashed: bool = False,
        view: str = "DASHBOARD_VIEW_BASIC",
    ) -> Any:
        if view not in ("DASHBOARD_VIEW_BASIC", "DASHBOARD_VIEW_UNSPECIFIED"):
            text = f"View '{view}' of dashboards is not supported on the laptop."
            raise ApiError(501, "NOT_IMPLEMENTED", text)
        kept = [
            {field: each[field] for field in LISTED if field in each}
            for each in state.all(DASHBOARD)
            if show_trashed or each["lifecycle_state"] == "ACTIVE"
        ]
        shown, after = page(kept, page_size, page_token)
        after.pop("has_more")
        return {"dashboards": shown, **after}

    @api.get("/{number}")
    def get(number: str) -> Any:
        return read(number)

    @api.patch("/{number}")
    def update(
        number: str, body: JsonBody, dataset_catalog: str = "", dataset_schema: str = ""
    ) -> Any:
        with state.transaction():
            found = read_draft(number)
            if body.get("etag") and body["etag"] != found["etag"]:
                text = f"Dashboard '{number}' has been modified: its etag is '{found['etag']}'."
                raise ApiError(409, "ABORTED", text)
            parent = bare_path(str(body.get("parent_path") or found["parent_path"]))
            if parent != found["parent_path"]:
                text = "Field 'parent_path' of a dashboard cannot be changed."
                raise ApiError(400, "INVALID_PARAMETER_VALUE", text)
            return write(found, body, dataset_catalog, dataset_schema)

    @api.delete("/{number}")
    def trash(number: str) -> Any:
        with state.transaction():
            found = read_draft(number)
            found["lifecycle_state"] = "TRASHED"
            found["parent_path"] = f"/Users/{USER_NAME}/Trash"
            # Names in the trash need not be unique.
            found["path"] = f"{found['parent_path']}/{found['dashboard_id']}{SUFFIX}"
            state.put(DASHBOARD, number, found)
            state.delete(PUBLISHED, number)
        return {}

    @api.post("/{number}/published")
    def publish(number: str, body: JsonBody) -> Any:
        with state.transaction():
            found = read_draft(number)
            warehouse = body.get("warehouse_id") or found.get("warehouse_id")
            if not warehouse:
                text = "A dashboard is published with a warehouse: give warehouse_id."
                raise ApiError(400, "INVALID_PARAMETER_VALUE", text)
            check_warehouse(str(warehouse))
            published = {
                "display_name": found["display_name"],
                "embed_credentials": bool(body.get("embed_credentials", False)),
                "revision_create_time": now_text(),
                "warehouse_id": warehouse,
            }
            state.put(PUBLISHED, number, published)
        return published

    @api.get("/{number}/published")
    def get_published(number: str) -> Any:
        found = state.get(PUBLISHED, number)
        if found is None:
            text = f"Unable to find published dashboard [{number}]"
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", text)
        return found

    @api.delete("/{number}/published")
    def unpublish(number: str) -> Any:
        get_published(number)
        state.delete(PUBLISHED, number)
        return {}

    return api


def complete(text: str, catalog: str, schema: str) -> str:
    """Return a definition with page types and the datasets' catalog and schema filled in.

    Raises:
        ApiError: 400 if it is not a JSON object.
    """
    try:
        definition = json.loads(text)
    except ValueError as error:
        text = f"serialized_dashboard must be JSON: {error}."
        raise ApiError(400, "INVALID_PARAMETER_VALUE", text) from None
    if not isinstance(definition, dict):
        text = "serialized_dashboard must be a JSON object."
        raise ApiError(400, "INVALID_PARAMETER_VALUE", text)
    for each in definition.get("pages") or []:
        each.setdefault("pageType", "PAGE_TYPE_CANVAS")
    place = {key: name for key, name in (("catalog", catalog), ("schema", schema)) if name}
    for dataset in definition.get("datasets") or []:
        dataset.update(place)
    return json.dumps(definition) + "\n"


def check_folder(tree: FileTree, path: str) -> None:
    """Require that a parent folder exists.

    Raises:
        ApiError: 404 if it does not exist, so that the CLI creates it; 400 for a file.
    """
    if tree.describe(path)["object_type"] != "DIRECTORY":
        text = f"Path ({path}) is not a folder."
        raise ApiError(400, "INVALID_PARAMETER_VALUE", text)


def bare_path(path: str) -> str:
    """Return a path without the prefix `/Workspace`, as the API does."""
    return path.removeprefix("/Workspace") if path.startswith("/Workspace/") else path
