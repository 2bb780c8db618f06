"""Names that the engine cannot resolve: mixed case, views and the information schema."""

import re
from typing import TYPE_CHECKING, Any

from . import functions
from .paths import is_volume_path, place_read
from .samples import DATASETS
from .tokens import END, StatementRefused, Token, answer, quote, scan

if TYPE_CHECKING:
    from .plans import Session

INFORMATION_SCHEMA = "information_schema"
_BEFORE_A_TABLE = frozenset({"FROM", "JOIN", "USING", ","})
_NO_ALIAS = re.compile(
    "WHERE|GROUP|ORDER|SORT|CLUSTER|DISTRIBUTE|HAVING|LIMIT|OFFSET|UNION|EXCEPT|INTERSECT|MINUS|ON"
    "|USING|JOIN|INNER|LEFT|RIGHT|FULL|CROSS|NATURAL|ANTI|SEMI|OUTER|LATERAL|PIVOT|UNPIVOT|QUALIFY"
    "|WINDOW|TABLESAMPLE|WHEN|SET|SELECT|VALUES"
)
_OWNED = "owner string, comment string, created timestamp, created_by string, "
_ALTERED = "last_altered timestamp, last_altered_by string"


def expand(session: "Session", text: str) -> str:
    """Return a query with views replaced by their definitions and catalogs in lower case."""
    tokens = scan(text)
    pieces, done, at = [], 0, 0
    while at < len(tokens):
        first = at
        while at + 2 < len(tokens) and tokens[at].is_name and tokens[at + 1].text == ".":
            if not tokens[at + 2].is_name:
                break
            at += 2
        chain = tokens[first : at + 1 : 2]
        at += 1
        if not chain[0].is_name:
            continue
        before = tokens[first - 1].upper if first else ""
        after = tokens[at] if at < len(tokens) else END
        new = _replace(session, chain, before, after)
        if new is not None:
            pieces += [text[done : chain[0].start], new]
            done = chain[-1].end
    return "".join([*pieces, text[done:]])


def _replace(session: "Session", chain: list[Token], before: str, after: Token) -> str | None:
    levels = [token.value for token in chain]
    catalog = levels[0].lower()
    if len(levels) == 2 and is_volume_path(levels[1]):
        # FROM parquet.`/Volumes/…`
        return quote(levels[0], place_read(session, levels[1]))
    if after.text == "(":
        functions.refuse_call(session, levels)
    if len(levels) > 3:
        if definition(session, tuple(levels[:3])) is not None:
            return quote(*levels[2:])
    elif len(levels) == 3 or before in _BEFORE_A_TABLE:
        found = definition(session, tuple(levels))
        if found is not None:
            named = after.upper == "AS" or (after.is_name and not _NO_ALIAS.fullmatch(after.upper))
            return f"({found}\n)" + ("" if named else f" AS {quote(levels[-1])}")
    if len(levels) > 2 and levels[0] != catalog and catalog in session.api.catalogs():
        return quote(catalog, *levels[1:])
    return None


def definition(session: "Session", levels: tuple[str, ...]) -> str | None:
    """Return the query of a view, information schema or sample table; None for other tables."""
    if INFORMATION_SCHEMA in (levels[-2].lower() if len(levels) > 1 else "",):
        catalog = levels[0].lower() if len(levels) > 2 else session.current()[0]
        return _information(session, catalog, levels[-1].lower())
    full = ".".join(levels).lower()
    if full in DATASETS and session.api.find(full) is None:
        return DATASETS[full]
    if not session.api.has_views():
        return None
    view = session.api.find(session.full(levels))
    if view is None or view.get("table_type") != "VIEW":
        return None
    return expand(session, view["view_definition"])


def qualify(session: "Session", text: str) -> str:
    """Return a query with full names for tables of the current schema."""
    pieces, done = [], 0
    tokens = scan(text)
    for at, token in enumerate(tokens):
        before = tokens[at - 1].upper if at else ""
        if before not in _BEFORE_A_TABLE or not token.is_name:
            continue
        two = tokens[at + 1 : at + 2] and tokens[at + 1].text == "." and tokens[at + 2 : at + 3]
        levels = (token.value, tokens[at + 2].value) if two else (token.value,)
        if two and tokens[at + 3 : at + 4] and tokens[at + 3].text == ".":
            continue
        full = session.full(levels)
        if session.api.find(full) is not None:
            last = tokens[at + 2] if two else token
            pieces += [text[done : token.start], quote(*full.split("."))]
            done = last.end
    return "".join([*pieces, text[done:]])


def _information(session: "Session", catalog: str, name: str) -> str:
    api = session.api
    catalogs = api.catalogs() if catalog == "system" else [catalog]
    schemas = [schema for each in catalogs for schema in api.schemas(each)]
    tables = [table for schema in schemas for table in api.tables(schema["full_name"])]
    if name == "schemata":
        names = "catalog_name string, schema_name string, schema_"
        rows = [[s["catalog_name"], s["name"], *_facts(s)] for s in schemas]
        return answer(f"{names}{_OWNED}{_ALTERED}", rows)
    if name == "tables":
        names = (
            "table_catalog string, table_schema string, table_name string, table_type string, "
            "is_insertable_into string, data_source_format string, table_"
        )
        rows = [[*_kind(table), *_facts(table)] for table in tables]
        return answer(f"{names}{_OWNED}{_ALTERED}", rows)
    if name == "views":
        rows = [[*t["full_name"].split("."), t.get("view_definition")] for t in tables]
        names = "table_catalog string, table_schema string, table_name string, "
        return answer(f"{names}view_definition string", [row for row in rows if row[3]])
    if name == "columns":
        names = (
            "table_catalog string, table_schema string, table_name string, column_name string, "
            "ordinal_position int, is_nullable string, full_data_type string, data_type string, "
            "comment string"
        )
        return answer(
            names, [[*t["full_name"].split("."), *c] for t in tables for c in _columns(t)]
        )
    raise StatementRefused(
        f"{INFORMATION_SCHEMA}.{name} is not supported on the laptop. "
        "It has: schemata, tables, columns, views."
    )


def _facts(document: dict[str, Any]) -> list[object]:
    owner = document.get("owner")
    made, changed = time_of(document.get("created_at")), time_of(document.get("updated_at"))
    return [owner, document.get("comment"), made, owner, changed, owner]


def _kind(table: dict[str, Any]) -> list[object]:
    view = table.get("table_type") == "VIEW"
    kind = ["VIEW", "NO", "UNKNOWN_DATA_SOURCE_FORMAT"] if view else ["MANAGED", "YES", "DELTA"]
    return [*table["full_name"].split("."), *kind]


def _columns(table: dict[str, Any]) -> list[list[object]]:
    return [
        [
            column["name"],
            position,
            "YES" if column.get("nullable", True) else "NO",
            column.get("type_text"),
            column.get("type_name"),
            column.get("comment"),
        ]
        for position, column in enumerate(table.get("columns") or [])
    ]


def time_of(milliseconds: int | None) -> str | None:
    """Return a catalog timestamp as SQL text."""
    from datetime import UTC, datetime

    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
