"""Permissions: recorded, but not enforced, because there is only one user."""

from typing import Any

import mlflow
from fastapi import APIRouter
from mlflow.exceptions import MlflowException

from ..jobs.records import JOB
from .alerts import ALERT
from .dashboards import DASHBOARD
from .endpoints import ENDPOINT
from .errors import ApiError, missing
from .requests import JsonBody
from .state import Document, State
from .tree import FileTree

ACCESS = "access-control"
OBJECT_TYPES = {
    "alertsv2": "alertv2",
    "directories": "directory",
    "experiments": "mlflowExperiment",
}
PRINCIPALS = ("user_name", "group_name", "service_principal_name")


def router(state: State, tree: FileTree) -> APIRouter:
    """Return the routes below `/api/2.0/permissions`."""
    api = APIRouter(prefix="/api/2.0/permissions/{kind}/{number}")

    def check(kind: str, number: str) -> None:
        if kind == "jobs":
            there = number.isdecimal() and state.get(JOB, f"{int(number):09d}") is not None
        elif kind in ("directories", "files"):
            there = tree.has_object(number)
        elif kind == "experiments":
            there = has_experiment(number)
        elif kind == "serving-endpoints":
            there = any(endpoint["id"] == number for endpoint in state.all(ENDPOINT))
        elif kind in ("alertsv2", "dashboards"):
            there = state.get(ALERT if kind == "alertsv2" else DASHBOARD, number) is not None
        else:
            text = f"Permissions of {kind} are not supported on the laptop."
            raise ApiError(501, "NOT_IMPLEMENTED", text)
        if not there:
            raise missing("RESOURCE_DOES_NOT_EXIST", kind, number)

    def answer(kind: str, number: str) -> Document:
        known = state.get(ACCESS, f"/{kind}/{number}") or {"access_control_list": []}
        return {
            "object_id": f"/{kind}/{number}",
            "object_type": OBJECT_TYPES.get(kind, kind.removesuffix("s")),
            "access_control_list": [granted(entry) for entry in known["access_control_list"]],
        }

    @api.get("")
    def get(kind: str, number: str) -> Any:
        check(kind, number)
        return answer(kind, number)

    @api.put("")
    def set_all(kind: str, number: str, body: JsonBody) -> Any:
        check(kind, number)
        entries = entries_of(body)
        state.put(ACCESS, f"/{kind}/{number}", {"access_control_list": entries})
        return answer(kind, number)

    @api.patch("")
    def change(kind: str, number: str, body: JsonBody) -> Any:
        check(kind, number)
        with state.transaction():
            known = state.get(ACCESS, f"/{kind}/{number}") or {"access_control_list": []}
            by_principal = {principal(entry): entry for entry in known["access_control_list"]}
            by_principal |= {principal(entry): entry for entry in entries_of(body)}
            changed = {"access_control_list": list(by_principal.values())}
            state.put(ACCESS, f"/{kind}/{number}", changed)
        return answer(kind, number)

    return api


def has_experiment(number: str) -> bool:
    """Return whether there is an active experiment with this ID."""
    try:
        found = mlflow.MlflowClient().get_experiment(number)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return bool(found.lifecycle_stage == "active")


def entries_of(body: Document) -> list[Document]:
    """Return the validated access control entries of a request."""
    entries = body.get("access_control_list") or []
    for entry in entries:
        if not entry.get("permission_level") or principal(entry) == ("", ""):
            raise ApiError(
                400,
                "INVALID_PARAMETER_VALUE",
                f"An entry needs permission_level and one of {', '.join(PRINCIPALS)}; "
                f"got: {entry}.",
            )
    return list(entries)


def principal(entry: Document) -> tuple[str, str]:
    """Return the kind and name of an entry's principal."""
    return next(((kind, entry[kind]) for kind in PRINCIPALS if entry.get(kind)), ("", ""))


def granted(entry: Document) -> Document:
    """Return an entry as the API shows it."""
    kind, name = principal(entry)
    level = {"permission_level": entry["permission_level"], "inherited": False}
    return {kind: name, "all_permissions": [level]}
