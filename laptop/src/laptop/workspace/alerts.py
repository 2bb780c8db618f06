"""SQL alerts, version 2: a query, a condition on its result, a schedule and subscribers.

Alerts are recorded, but not run on schedule: `laptop alerts` evaluates them once.
"""

import uuid
from typing import Any

from fastapi import APIRouter

from ..clock import now_text
from ..identity import USER_NAME
from .dashboards import bare_path, check_folder
from .errors import ApiError, missing
from .requests import JsonBody, page, required
from .state import Document, State
from .tree import FileTree
from .warehouses import check_warehouse

ALERT = "alert"
PAGE = 100
FIELDS = (
    "display_name",
    "query_text",
    "warehouse_id",
    "evaluation",
    "schedule",
    "custom_description",
    "custom_summary",
    "parent_path",
    "run_as",
    "run_as_user_name",
)
# Output-only fields; ignored in requests.
OUTPUT = (
    "id",
    "create_time",
    "update_time",
    "effective_run_as",
    "lifecycle_state",
    "owner_user_name",
)
AGGREGATIONS = ("AVG", "COUNT", "COUNT_DISTINCT", "MAX", "MEDIAN", "MIN", "STDDEV", "SUM")
COMPARISONS = (
    "EQUAL",
    "GREATER_THAN",
    "GREATER_THAN_OR_EQUAL",
    "IS_NOT_NULL",
    "IS_NULL",
    "LESS_THAN",
    "LESS_THAN_OR_EQUAL",
    "NOT_EQUAL",
)
STATES = ("ERROR", "OK", "TRIGGERED", "UNKNOWN")
PAUSES = ("PAUSED", "UNPAUSED")


def router(state: State, tree: FileTree) -> APIRouter:
    """Return the routes below `/api/2.0/alerts`."""
    api = APIRouter(prefix="/api/2.0/alerts")

    def read(number: str) -> Document:
        found = state.get(ALERT, number)
        if found is None:
            raise missing("RESOURCE_DOES_NOT_EXIST", "Alert", number)
        return found

    def write(found: Document) -> Document:
        check(found)
        found["update_time"] = now_text()
        found["effective_run_as"] = found.get("run_as") or {"user_name": USER_NAME}
        state.put(ALERT, found["id"], found)
        return found

    @api.post("")
    def create(body: JsonBody) -> Any:
        wanted = settings_of(body)
        parent = str(wanted.get("parent_path") or f"/Users/{USER_NAME}")
        check_folder(tree, parent)
        return write(
            {
                **wanted,
                "id": str(uuid.uuid4()),
                "parent_path": parent,
                "create_time": now_text(),
                "lifecycle_state": "ACTIVE",
                "owner_user_name": USER_NAME,
            }
        )

    @api.get("")
    def list_all(page_size: int = PAGE, page_token: str = "") -> Any:
        active = [each for each in state.all(ALERT) if each["lifecycle_state"] == "ACTIVE"]
        active.sort(key=lambda each: each["create_time"])
        shown, after = page(active, page_size, page_token)
        after.pop("has_more")
        return {"alerts": shown, **after}

    @api.get("/{number}")
    def get(number: str) -> Any:
        return read(number)

    @api.patch("/{number}")
    def update(number: str, body: JsonBody, update_mask: str = "") -> Any:
        wanted = settings_of(body)
        with state.transaction():
            found = read(number)
            if found["lifecycle_state"] != "ACTIVE":
                raise missing("RESOURCE_DOES_NOT_EXIST", "Alert", number)
            fixed = {key: found[key] for key in OUTPUT if key in found}
            parent = found["parent_path"]
            if update_mask == "*":
                changed = {"parent_path": parent, **wanted, **fixed}
            else:
                changed = apply_mask(found, wanted, update_mask)
            if bare_path(str(changed.get("parent_path", parent))) != bare_path(parent):
                text = "Field 'parent_path' of an alert cannot be changed."
                raise ApiError(400, "INVALID_PARAMETER_VALUE", text)
            return write({**changed, "parent_path": parent})

    @api.delete("/{number}")
    def trash(number: str, purge: bool = False) -> Any:
        with state.transaction():
            found = read(number)
            if purge:
                state.delete(ALERT, number)
            else:
                state.put(ALERT, number, {**found, "lifecycle_state": "DELETED"})
        return {}

    return api


def settings_of(body: Document) -> Document:
    """Return the input fields of a request.

    Raises:
        ApiError: 501 for an unsupported field.
    """
    evaluation = body.get("evaluation")
    unknown = body.keys() - {*FIELDS, *OUTPUT}
    if unknown:
        text = f"Field '{min(unknown)}' of an alert is not supported on the laptop."
        raise ApiError(501, "NOT_IMPLEMENTED", text)
    wanted = {key: value for key, value in body.items() if key in FIELDS}
    if isinstance(evaluation, dict):
        kept = {k: v for k, v in evaluation.items() if k not in ("state", "last_evaluated_at")}
        wanted["evaluation"] = kept
    return wanted


def apply_mask(found: Document, wanted: Document, mask: str) -> Document:
    """Return an alert with the fields of an update mask taken from a request.

    Raises:
        ApiError: 400 for an empty mask or a field that cannot be set.
    """
    changed = dict(found)
    paths = [path.strip() for path in mask.split(",") if path.strip()]
    if not paths:
        text = "update_mask must name the fields to update, separated by commas, or be '*'."
        raise ApiError(400, "INVALID_PARAMETER_VALUE", text)
    for path in paths:
        head, *rest = path.split(".")
        if head not in FIELDS:
            text = f"update_mask names '{path}'; allowed: {', '.join(FIELDS)}."
            raise ApiError(400, "INVALID_PARAMETER_VALUE", text)
        changed[head] = merge_path(changed.get(head), wanted.get(head), rest)
        if changed[head] is None:
            del changed[head]
    return changed


def merge_path(old: Any, new: Any, rest: list[str]) -> Any:
    """Return a field with the value at a path replaced."""
    if not rest:
        return new
    merged = dict(old or {})
    value = merge_path(merged.get(rest[0]), (new or {}).get(rest[0]), rest[1:])
    merged[rest[0]] = value
    return {key: each for key, each in merged.items() if each is not None}


def check(alert: Document) -> None:
    """Reject an alert with missing or invalid fields.

    Raises:
        ApiError: 400; 404 for an unknown warehouse; 501 for a notification destination.
    """
    required(alert, "display_name", "query_text", "warehouse_id")
    check_warehouse(alert["warehouse_id"])
    evaluation, schedule = part(alert, "evaluation"), part(alert, "schedule")
    required(schedule, "quartz_cron_schedule", "timezone_id")
    fields = len(schedule["quartz_cron_schedule"].split())
    if fields not in (6, 7):
        text = f"quartz_cron_schedule has 6 or 7 fields; got {fields}."
        raise ApiError(400, "INVALID_PARAMETER_VALUE", text)
    source = part(evaluation, "source")
    required(source, "name")
    required(evaluation, "comparison_operator")
    choose(evaluation, "comparison_operator", COMPARISONS)
    choose(evaluation, "empty_result_state", STATES)
    choose(source, "aggregation", AGGREGATIONS)
    choose(schedule, "pause_status", PAUSES)
    threshold = evaluation.get("threshold")
    unary = evaluation["comparison_operator"] in ("IS_NULL", "IS_NOT_NULL")
    if not unary and not isinstance(threshold, dict):
        text = "An alert compares with a threshold: give evaluation.threshold."
        raise ApiError(400, "INVALID_PARAMETER_VALUE", text)
    for one in (evaluation.get("notification") or {}).get("subscriptions") or []:
        if not one.get("user_email"):
            text = "Notification destinations are not supported on the laptop; give user_email."
            raise ApiError(501, "NOT_IMPLEMENTED", text)


def part(document: Document, key: str) -> Document:
    """Return a required mapping of a document."""
    value = document.get(key)
    if not isinstance(value, dict):
        raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Field '{key}' is required.")
    return value


def choose(document: Document, key: str, allowed: tuple[str, ...]) -> None:
    """Reject a field whose value is not allowed."""
    if key in document and document[key] not in allowed:
        text = f"Field '{key}' is '{document[key]}'; allowed: {', '.join(allowed)}."
        raise ApiError(400, "INVALID_PARAMETER_VALUE", text)
