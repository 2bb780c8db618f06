"""SQL DESCRIBE and SHOW from the catalog and the Delta logs, with Databricks' columns."""

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from .names import time_of
from .tokens import Cursor, StatementRefused, answer, quote

if TYPE_CHECKING:
    from .plans import Session

_COLUMNS = "col_name string, data_type string, comment string"
_API = "/api/2.1/unity-catalog"


def describe(session: "Session", at: Cursor) -> str:
    """Return a query with the result of a DESCRIBE statement."""
    if at.any("DETAIL"):
        return _detail(_table(session, at.name()))
    if at.any("HISTORY"):
        return _history(session, at)
    if at.accept("CATALOG"):
        extended = at.accept("EXTENDED")
        return _namespace(session, "catalog", at.name()[0].lower(), extended=extended)
    if at.any("SCHEMA", "DATABASE", "NAMESPACE"):
        extended = at.accept("EXTENDED")
        full = ".".join([session.current()[0], *at.name()][-2:]).lower()
        return _namespace(session, "schema", full, extended=extended)
    if at.accept("FUNCTION"):
        return at.text
    if at.accept("QUERY") or at.next.upper in ("SELECT", "WITH", "VALUES", "FROM"):
        from . import names

        types = session.spark.sql(names.expand(session, at.rest)).dtypes
        return answer(_COLUMNS, [[name, kind, None] for name, kind in types])
    at.accept("TABLE")
    extended = at.any("EXTENDED", "FORMATTED")
    levels = at.name()
    # Temporary views belong to the session, not to the catalog.
    table = session.api.find(session.full(levels))
    if table is None:
        types = session.spark.table(quote(*levels)).dtypes
        return answer(_COLUMNS, [[name, kind, None] for name, kind in types])
    rows: list[list[object]] = [
        [c["name"], c["type_text"], c.get("comment")] for c in table.get("columns") or []
    ]
    parts = [r for r, c in zip(rows, table["columns"], strict=True) if "partition_index" in c]
    if parts:
        head: list[list[object]] = [
            ["# Partition Information", "", ""],
            ["# col_name", "data_type", "comment"],
        ]
        rows += [*head, *parts]
    if extended:
        rows += [["", "", ""], ["# Detailed Table Information", "", ""]]
        rows += [[name, value, ""] for name, value in _facts(table).items()]
        rows += _constraints(table)
    return answer(_COLUMNS, rows)


def show(session: "Session", at: Cursor) -> str | None:
    """Return a query with the result of a SHOW statement; None leaves it to the engine."""
    catalog, schema = session.current()
    if at.any("TABLES", "VIEWS"):
        views = at.tokens[at.at - 1].upper == "VIEWS"
        levels = at.name() if at.any("IN", "FROM") else (catalog, schema)
        full = ".".join([catalog, *levels][-2:]).lower()
        session.api.ask("GET", f"{_API}/schemas/{full}")
        wanted = _pattern(at)
        name = "viewName" if views else "tableName"
        rows = [
            [full.partition(".")[2], table["name"], False]
            for table in session.api.tables(full)
            if wanted(table["name"]) and (not views or table.get("table_type") == "VIEW")
        ]
        return answer(
            f"{'namespace' if views else 'database'} string, {name} string, isTemporary boolean",
            rows,
        )
    if at.any("SCHEMAS", "DATABASES"):
        named = at.name()[0].lower() if at.any("IN", "FROM") else catalog
        wanted = _pattern(at)
        session.api.ask("GET", f"{_API}/catalogs/{named}")
        found = [s["name"] for s in session.api.schemas(named)]
        return answer("databaseName string", [[name] for name in found if wanted(name)])
    if at.accept("CATALOGS"):
        wanted = _pattern(at)
        return answer("catalog string", [[c] for c in session.api.catalogs() if wanted(c)])
    if at.accept("COLUMNS"):
        at.any("IN", "FROM")
        levels = at.name()
        if at.any("IN", "FROM"):
            levels = (*at.name(), levels[-1])
        columns = _table(session, levels)["columns"]
        return answer("col_name string", [[column["name"]] for column in columns])
    if at.accept("TBLPROPERTIES"):
        properties = _table(session, at.name()).get("properties") or {}
        asked = at.group() if at.next.text == "(" else []
        keys = ["".join(t.value for t in item) for item in asked] or sorted(properties)
        return answer("key string, value string", [[k, properties.get(k)] for k in keys])
    if at.accept("CREATE", "TABLE"):
        return answer("createtab_stmt string", [[_statement(_table(session, at.name()))]])
    return None


def _table(session: "Session", levels: tuple[str, ...]) -> dict[str, Any]:
    full = session.full(levels)
    table: dict[str, Any] | None = session.api.find(full)
    if table is None:
        raise StatementRefused(
            f"[TABLE_OR_VIEW_NOT_FOUND] The table or view {full} cannot be found."
        )
    return table


def _pattern(at: Cursor) -> Any:
    at.accept("LIKE")
    if at.next.kind != "string":
        return lambda _: True
    choices = at.string().lower().replace("%", "*").split("|")
    return lambda name: any(fnmatchcase(name.lower(), choice) for choice in choices)


def _namespace(session: "Session", kind: str, full: str, *, extended: bool) -> str:
    found = session.api.ask("GET", f"{_API}/{kind}s/{full}")
    prefix = "Catalog" if kind == "catalog" else "Namespace"
    rows = [["Comment", found.get("comment") or ""], ["Owner", found.get("owner") or ""]]
    if kind == "catalog":
        head = [["Catalog Name", found["name"]]]
    else:
        head = [["Catalog Name", found["catalog_name"]], [f"{prefix} Name", found["name"]]]
    more = [["Properties", json.dumps(found.get("properties") or {})]] if extended else []
    columns = "info_name string, info_value string"
    if kind == "schema":
        columns = "database_description_item string, database_description_value string"
    return answer(columns, [*head, *rows, *more])


def _facts(table: dict[str, Any]) -> dict[str, object]:
    catalog, schema, name = table["full_name"].split(".")
    view = {"View Text": table["view_definition"]} if "view_definition" in table else {}
    return {
        "Catalog": catalog,
        "Database": schema,
        "Table": name,
        "Created Time": time_of(table.get("created_at")),
        "Last Access": "UNKNOWN",
        "Type": table.get("table_type", "MANAGED"),
        **view,
        "Location": table.get("storage_location") or "",
        "Provider": "" if view else "delta",
        "Owner": table.get("owner"),
        "Comment": table.get("comment") or "",
        "Table Properties": _listed(table.get("properties")),
    }


def _listed(properties: dict[str, str] | None) -> str:
    return f"[{','.join(f'{k}={v}' for k, v in sorted((properties or {}).items()))}]"


def _constraints(table: dict[str, Any]) -> list[list[object]]:
    keys = [key for each in table.get("table_constraints") or [] for key in each.values()]
    rows: list[list[object]] = [["", "", ""], ["# Constraints", "", ""]] if keys else []
    for key in keys:
        times = key.get("timeseries_columns") or []
        columns = ", ".join(
            f"`{c}` TIMESERIES" if c in times else f"`{c}`" for c in key["child_columns"]
        )
        if "parent_table" in key:
            parents = ", ".join(f"`{c}`" for c in key["parent_columns"])
            text = f"FOREIGN KEY ({columns}) REFERENCES {key['parent_table']} ({parents})"
        else:
            text = f"PRIMARY KEY ({columns})"
        rows.append([key["name"], text, ""])
    return rows


def _statement(table: dict[str, Any]) -> str:
    if table.get("table_type") == "VIEW":
        return f"CREATE VIEW {table['full_name']} AS {table['view_definition']}"
    columns = [
        f"{quote(c['name'])} {c['type_text']}" + ("" if c.get("nullable", True) else " NOT NULL")
        for c in table["columns"]
    ]
    keys = [f"CONSTRAINT {name} {text}" for name, text, _ in _constraints(table)[2:]]
    body = ",\n  ".join([*columns, *keys])
    return f"CREATE TABLE {table['full_name']} (\n  {body})\nUSING delta"


def _log(table: dict[str, Any]) -> list[tuple[int, list[dict[str, Any]]]]:
    """Return the actions of a table's Delta log by version."""
    if "storage_location" not in table:
        raise StatementRefused(f"{table['full_name']} is a view: it has no log.")
    folder = Path(unquote(urlparse(table["storage_location"]).path)) / "_delta_log"
    files = {
        int(file.name[:20]): file
        for file in [*folder.glob("_staged_commits/*.json"), *folder.glob("*.json")]
        if re.match(r"\d{20}\.", file.name)
    }
    latest = int(table["properties"]["delta.lastUpdateVersion"])
    return [
        (version, [json.loads(line) for line in file.read_text().splitlines() if line.strip()])
        for version, file in sorted(files.items())
        if version <= latest
    ]


def _history(session: "Session", at: Cursor) -> str:
    table = _table(session, at.name())
    rows: list[list[object]] = []
    for version, actions in _log(table):
        info: dict[str, Any] = next((a["commitInfo"] for a in actions if "commitInfo" in a), {})
        rows.append(
            [
                version,
                time_of(info.get("timestamp")),
                table.get("owner"),
                info.get("operation"),
                json.dumps(info.get("operationParameters") or {}),
            ]
        )
    rows.reverse()
    if at.accept("LIMIT"):
        rows = rows[: int(at.take().text)]
    columns = "version bigint, timestamp timestamp, userName string, operation string, "
    return answer(f"{columns}operationParameters string", rows)


def _detail(table: dict[str, Any]) -> str:
    files: dict[str, int] = {}
    for _, actions in _log(table):
        for action in actions:
            if "add" in action:
                files[action["add"]["path"]] = action["add"]["size"]
            elif "remove" in action:
                files.pop(action["remove"]["path"], None)
    parts = [c["name"] for c in table["columns"] if "partition_index" in c]
    columns = (
        "format string, id string, name string, description string, location string, "
        "createdAt timestamp, lastModified timestamp, numFiles bigint, sizeInBytes bigint"
    )
    made, changed = time_of(table.get("created_at")), time_of(table.get("updated_at"))
    facts = ["delta", table["table_id"], table["full_name"], table.get("comment")]
    row = [*facts, table["storage_location"], made, changed, len(files), sum(files.values())]
    names = ", ".join(f"'{name}'" for name in parts)
    pairs = ", ".join(
        f"'{k}', '{v}'" for k, v in sorted(table["properties"].items()) if "'" not in f"{k}{v}"
    )
    return (
        f"SELECT *, CAST(array({names}) AS array<string>) AS partitionColumns, "
        f"map({pairs}) AS properties FROM ({answer(columns, [row])})"
    )
