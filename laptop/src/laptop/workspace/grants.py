"""Unity Catalog privileges: recorded, but not enforced."""

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter

from .errors import ApiError, missing
from .models import model_of
from .requests import JsonBody
from .state import Document, State
from .unity import CATALOG, CONNECTION, SCHEMA, TABLE, VOLUME

GRANTS = "grants"
ALL = "ALL_PRIVILEGES"


def router(state: State) -> APIRouter:
    """Return the routes below `/api/2.1/unity-catalog/permissions`."""
    api = APIRouter(prefix="/api/2.1/unity-catalog/permissions/{kind}/{full_name}")

    def key_of(kind: str, full_name: str) -> str:
        """Return the key of an object's grants; a recreated object has a new one."""
        # Unity Catalog treats registered models as functions.
        if kind == "function":
            return f"{kind}/{full_name}/{model_of(full_name).creation_timestamp}"
        if kind not in (CATALOG, CONNECTION, SCHEMA, TABLE, VOLUME):
            text = f"Privileges on a {kind} are not supported on the laptop."
            raise ApiError(501, "NOT_IMPLEMENTED", text)
        known = state.get(kind, full_name)
        if known is None:
            raise missing(f"{kind.upper()}_DOES_NOT_EXIST", kind.capitalize(), full_name)
        return f"{kind}/{full_name}/{known.get('created_at')}"

    def answer(privileges: Document) -> Document:
        return {
            "privilege_assignments": [
                {"principal": principal, "privileges": sorted(held)}
                for principal, held in sorted(privileges.items())
            ]
        }

    @api.get("")
    def get(kind: str, full_name: str) -> Any:
        return answer(state.get(GRANTS, key_of(kind, full_name)) or {})

    @api.patch("")
    def change(kind: str, full_name: str, body: JsonBody) -> Any:
        key = key_of(kind, full_name)
        with state.transaction():
            known = state.get(GRANTS, key) or {}
            for each in body.get("changes") or []:
                held = changed(known.pop(each["principal"], []), each)
                if held:
                    known[each["principal"]] = held
            state.put(GRANTS, key, known)
        return answer(known)

    return api


def changed(held: Iterable[str], change: Document) -> list[str]:
    """Return a principal's privileges after a change; removals apply before additions."""
    removed = set(change.get("remove") or [])
    kept = set() if ALL in removed else set(held) - removed
    return sorted(kept | set(change.get("add") or []))
