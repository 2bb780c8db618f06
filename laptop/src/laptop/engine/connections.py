"""SQL CREATE and DROP CONNECTION: JDBC connections stored in the catalog."""

import json
from typing import TYPE_CHECKING, Any

from .tokens import API, NOTHING, Cursor, StatementRefused

if TYPE_CHECKING:
    from .plans import Session

_FORM = (
    "The laptop takes CREATE CONNECTION [IF NOT EXISTS] name TYPE JDBC [ENVIRONMENT "
    "(java_dependencies '…')] OPTIONS (url '…', user '…', password '…') [COMMENT '…']."
)


def create(session: "Session", at: Cursor) -> str:
    """Create a connection; `at` is positioned after CREATE CONNECTION."""
    there = at.accept("IF", "NOT", "EXISTS")
    (name, *more) = at.name()
    if more or not at.accept("TYPE"):
        raise StatementRefused(
            f"'{at.rest[:60]}' of connection {name} is not supported on the laptop. {_FORM}"
        )
    body: dict[str, Any] = {"name": name, "connection_type": at.take().upper}
    while at.rest:
        if at.accept("ENVIRONMENT"):
            given = _options(at, name)
            jars = json.loads(given.get("java_dependencies", "[]"))
            body["environment_settings"] = {**given, "java_dependencies": jars}
        elif at.accept("OPTIONS"):
            body["options"] = _options(at, name)
        elif at.accept("COMMENT"):
            body["comment"] = at.string()
        else:
            raise StatementRefused(
                f"'{at.rest[:60]}' of connection {name} is not supported on the laptop. {_FORM}"
            )
    if not (there and session.api.find_connection(name.lower())):
        session.api.ask("POST", f"{API}/connections", body)
    return NOTHING


def drop(session: "Session", at: Cursor) -> str:
    """Drop a connection; `at` is positioned after DROP CONNECTION."""
    there = at.accept("IF", "EXISTS")
    name = at.name()[0].lower()
    if not there or session.api.find_connection(name) is not None:
        session.api.ask("DELETE", f"{API}/connections/{name}")
    return NOTHING


def _options(at: Cursor, name: str) -> dict[str, str]:
    begin = at.at
    if any(token.upper == "SECRET" for item in at.group() for token in item):
        raise StatementRefused(
            f"secret(…) of connection {name} is not supported on the laptop, which has no secret "
            "scopes: write the value itself."
        )
    at.at = begin
    return at.properties()
