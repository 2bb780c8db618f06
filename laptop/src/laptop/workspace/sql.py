"""Statement Execution API over the workspace's engine."""

import json
import threading
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from .. import clock
from ..engine.tokens import scan
from .errors import ApiError
from .requests import JsonBody, required
from .state import Document

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

ROW_LIMIT = 10_000
NOT_BUILT = ("parameters", "byte_limit")


def router(open_session: Callable[[], "SparkSession"]) -> APIRouter:
    """Return the routes below `/api/2.0/sql/statements`.

    Statements run synchronously with inline results; a failed one returns the state FAILED, as on
    Databricks.
    """
    api = APIRouter(prefix="/api/2.0/sql/statements")
    lock = threading.Lock()
    sessions: dict[tuple[str, str], SparkSession] = {}

    def session(catalog: str, schema: str) -> "SparkSession":
        with lock:
            if (catalog, schema) not in sessions:
                opened = open_session()
                if catalog:
                    opened.catalog.setCurrentCatalog(catalog)
                if schema:
                    opened.catalog.setCurrentDatabase(schema)
                sessions[catalog, schema] = opened
        return sessions[catalog, schema]

    @api.post("")
    def execute(body: JsonBody) -> Any:
        (statement,) = required(body, "statement")
        for field in NOT_BUILT:
            if body.get(field):
                text = f"Field '{field}' of a statement is not supported on the laptop."
                raise ApiError(501, "NOT_IMPLEMENTED", text)
        limit = min(int(body.get("row_limit") or ROW_LIMIT), ROW_LIMIT)
        try:
            place = str(body.get("catalog") or ""), str(body.get("schema") or "")
            table = session(*place).sql(at_clock(statement)).limit(limit + 1).toArrow()
        except Exception as error:
            # Any engine error is the statement's result.
            problem = {"error_code": "BAD_REQUEST", "message": str(error)}
            return answer({"state": "FAILED", "error": problem})
        columns = [
            {"name": field.name, "type_text": str(field.type), "position": position}
            for position, field in enumerate(table.schema)
        ]
        manifest = {
            "format": "JSON_ARRAY",
            "schema": {"column_count": len(columns), "columns": columns},
            "total_row_count": min(limit, table.num_rows),
            "truncated": table.num_rows > limit,
        }
        # By column, since column names need not be unique.
        cells = [column.to_pylist() for column in table.slice(0, limit).columns]
        rows = [[as_text(cell) for cell in row] for row in zip(*cells, strict=True)]
        return answer({"state": "SUCCEEDED"}, manifest=manifest, result={"data_array": rows})

    return api


def at_clock(statement: str) -> str:
    """Return a statement with time functions replaced by the workspace's clock, if that is set."""
    if not clock.read_setting():
        return statement
    now = clock.now()
    literals = {
        "CURRENT_TIMESTAMP": f"TIMESTAMP '{now.isoformat()}'",
        "NOW": f"TIMESTAMP '{now.isoformat()}'",
        "CURRENT_DATE": f"DATE '{now.date().isoformat()}'",
    }
    tokens = scan(statement)
    replaced = statement
    # From the end, so that earlier positions remain valid.
    for first, second, third in reversed(list(zip(tokens, tokens[1:], tokens[2:], strict=False))):
        if first.upper in literals and (second.text, third.text) == ("(", ")"):
            replaced = replaced[: first.start] + literals[first.upper] + replaced[third.end :]
    return replaced


def answer(status: Document, **parts: Any) -> Document:
    """Return the response to a statement."""
    return {"statement_id": str(uuid.uuid4()), "status": status, **parts}


def as_text(value: object) -> str | None:
    """Return a cell in JSON_ARRAY format: text or null."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, bool | list | dict):
        return json.dumps(value, default=str)
    return None if value is None else str(value)
