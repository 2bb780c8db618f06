"""SQL CREATE for catalogs, volumes, views and tables; see also `functions`, `connections`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import connections, functions, names, writes
from .tokens import API, NOTHING, Cursor, StatementRefused, Token, column_info, quote

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame

    from .plans import Session

    FrameOf = Callable[[str], DataFrame]

_QUERY = ("SELECT", "WITH", "FROM", "VALUES", "TABLE")


def create(session: "Session", at: Cursor, frame_of: "FrameOf") -> str:
    """Run a CREATE statement; `at` is positioned after CREATE."""
    instead = at.accept("OR", "REPLACE")
    if at.accept("CATALOG"):
        there = at.accept("IF", "NOT", "EXISTS")
        name = at.name()[0].lower()
        if not (there and name in session.api.catalogs()):
            comment = at.string() if at.accept("COMMENT") else None
            session.api.ask("POST", f"{API}/catalogs", {"name": name, "comment": comment})
        return NOTHING
    if at.accept("VOLUME"):
        there = at.accept("IF", "NOT", "EXISTS")
        full = session.full(at.name())
        if not (there and session.api.has_volume(full)):
            comment = at.string() if at.accept("COMMENT") else None
            catalog, schema, name = full.split(".")
            body = {"catalog_name": catalog, "schema_name": schema, "name": name}
            session.api.ask("POST", f"{API}/volumes", {**body, "comment": comment})
        return NOTHING
    if at.accept("VIEW"):
        return _create_view(session, at, frame_of, instead=instead)
    if at.accept("TABLE"):
        return _create_table(session, at, frame_of, instead=instead)
    if at.accept("FUNCTION"):
        return functions.create(session, at, instead=instead)
    if at.accept("CONNECTION"):
        return connections.create(session, at)
    return names.expand(session, at.text)


def replace_table(session: "Session", at: Cursor, frame_of: "FrameOf") -> str:
    """Replace an existing table; `at` is positioned after REPLACE TABLE."""
    full = session.full(Cursor(at.rest).name())
    if session.api.find(full) is None:
        raise StatementRefused(
            f"[TABLE_OR_VIEW_NOT_FOUND] Table {full} cannot be replaced because it does not exist. "
            "Use CREATE OR REPLACE TABLE to create it."
        )
    return _create_table(session, at, frame_of, instead=True)


def _create_view(session: "Session", at: Cursor, frame_of: "FrameOf", *, instead: bool) -> str:
    there = at.accept("IF", "NOT", "EXISTS")
    full = session.full(at.name())
    named = [item[0].value for item in at.group()] if at.next.text == "(" else []
    declared = _clauses(at, full)
    if not at.accept("AS"):
        raise StatementRefused(f"View {full} needs AS and a query; got: {at.rest}")
    definition = names.qualify(session, at.rest)
    types = frame_of(names.expand(session, definition)).dtypes
    if named:
        columns = ", ".join(map(quote, named))
        definition = f"SELECT * FROM ({definition}\n) AS named({columns})"
    present = session.api.find(full)
    if present is not None and (there or not instead):
        if there:
            return NOTHING
        raise StatementRefused(f"[TABLE_OR_VIEW_ALREADY_EXISTS] {full} exists already.")
    if present is not None:
        session.api.ask("DELETE", f"{API}/tables/{full}")
    catalog, schema, name = full.split(".")
    columns_of = [
        column_info(n, kind, position)
        for position, (n, (_, kind)) in enumerate(
            zip(named or [n for n, _ in types], types, strict=True)
        )
    ]
    view = {
        "catalog_name": catalog,
        "schema_name": schema,
        "name": name,
        "table_type": "VIEW",
        "view_definition": definition,
        "columns": columns_of,
        **declared,
    }
    session.api.ask("POST", f"{API}/tables", view)
    return NOTHING


def _clauses(at: Cursor, full: str) -> dict[str, Any]:
    """Parse the clauses after the columns of a table or view into catalog fields."""
    kept: dict[str, Any] = {}
    while at.next.kind != "end" and at.next.upper != "AS" and at.next.upper not in _QUERY:
        if at.accept("COMMENT"):
            kept["comment"] = at.string()
        elif at.accept("TBLPROPERTIES"):
            kept["properties"] = at.properties()
        elif at.accept("USING"):
            if at.take().value.lower() != "delta":
                raise StatementRefused(f"Table {full} must be USING DELTA on the laptop.")
        elif at.accept("PARTITIONED", "BY"):
            kept["partitions"] = [at.slice(item) for item in at.group()]
        elif at.accept("CLUSTER", "BY"):
            # Affects the file layout, not query results.
            if not at.any("AUTO", "NONE"):
                at.group()
        else:
            raise StatementRefused(
                f"'{at.rest[:60]}' of table {full} is not supported on the laptop. It takes "
                "COMMENT, TBLPROPERTIES, PARTITIONED BY, CLUSTER BY and AS."
            )
    return kept


def read_constraint(at: Cursor, full: str, item: list[Token]) -> dict[str, Any] | None:
    """Parse a table constraint; return None if the item is a column."""
    inner = Cursor(at.slice(item))
    name = inner.name()[0] if inner.accept("CONSTRAINT") else ""
    if inner.accept("PRIMARY", "KEY"):
        parts = inner.group()
        keys = {
            "name": name or f"{full.rpartition('.')[2]}_pk",
            "child_columns": [part[0].value for part in parts],
            "timeseries_columns": [p[0].value for p in parts if p[-1].upper == "TIMESERIES"],
        }
        return {"primary_key_constraint": keys}
    if inner.accept("FOREIGN", "KEY"):
        columns = [part[0].value for part in inner.group()]
        if not inner.accept("REFERENCES"):
            raise StatementRefused(f"FOREIGN KEY needs REFERENCES; got: {inner.text}")
        parent = inner.name()
        shown = [part[0].value for part in inner.group()] if inner.next.text == "(" else columns
        keys = {
            "name": name or f"{full.rpartition('.')[2]}_fk",
            "child_columns": columns,
            "parent_table": ".".join(parent),
            "parent_columns": shown,
        }
        return {"foreign_key_constraint": keys}
    if name or inner.next.upper == "CHECK":
        raise StatementRefused(
            f"The laptop records primary and foreign keys; '{inner.text}' it would not enforce. "
            "Check the rows before they are written."
        )
    return None


def _create_table(session: "Session", at: Cursor, frame_of: "FrameOf", *, instead: bool) -> str:
    there = at.accept("IF", "NOT", "EXISTS")
    full = session.full(at.name())
    columns, keys = [], []
    like = at.name() if at.accept("LIKE") else None
    for item in at.group() if at.next.text == "(" else []:
        key = read_constraint(at, full, item)
        if key is None:
            key = _inline_key(full, item)
            columns.append(require_plain(full, item))
        keys += [key] if key else []
    declared = _clauses(at, full)
    at.accept("AS")
    text = at.rest if like is None else f"SELECT * FROM {quote(*like)} LIMIT 0"
    present = session.api.find(full)
    if present is not None and there:
        return NOTHING
    if present is not None and not instead:
        raise StatementRefused(
            f"[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create table or view {full} because it already "
            "exists. Choose a different name, drop the existing object, or add IF NOT EXISTS."
        )
    parted = declared.pop("partitions", [])

    def make(levels: Any) -> None:
        if text:
            writes.create(session, levels, frame_of(names.expand(session, text)), parted)
        else:
            # PARTITIONED BY may declare a column with its type.
            more = [p for p in parted if " " in p.strip()]
            by = f" PARTITIONED BY ({', '.join(p.split()[0] for p in parted)})" if parted else ""
            shape = ", ".join([*columns, *more])
            session.spark.sql(f"CREATE TABLE {quote(*levels)} ({shape}) USING DELTA{by}")
        name = ".".join(levels)
        if declared:
            session.api.ask("PATCH", f"{API}/tables/{name}", declared)
        for key in keys:
            body = {"full_name_arg": name, "constraint": key}
            try:
                session.api.ask("POST", f"{API}/constraints", body)
            except Exception:
                session.api.ask("DELETE", f"{API}/tables/{name}")
                raise

    if present is not None:
        writes.replace(session, full.split("."), make)
    else:
        make(full.split("."))
    return NOTHING


def _inline_key(full: str, item: list[Token]) -> dict[str, Any] | None:
    words = [token.upper for token in item]
    for at in range(len(words) - 1):
        if words[at : at + 2] == ["PRIMARY", "KEY"]:
            before = words[at - 2] == "CONSTRAINT"
            name = item[at - 1].value if before else f"{full.rpartition('.')[2]}_pk"
            # PRIMARY KEY on a column implies NOT NULL.
            del item[at - 2 * before : at + 2]
            if item[-1].upper in ("RELY", "NORELY"):
                item.pop()
            if "NOT" not in words:
                item.append(Token("word", "NOT NULL", -1, -1))
            keys = {"name": name, "child_columns": [item[0].value]}
            return {"primary_key_constraint": keys}
    return None


def require_plain(full: str, item: list[Token]) -> str:
    """Return a column's declaration; raise StatementRefused for unsupported features."""
    words = [token.upper for token in item]
    for word in ("DEFAULT", "GENERATED", "MASK"):
        if word in words[1:]:
            raise StatementRefused(
                f"Column {item[0].value} of {full} is declared with {word}, which is not on the "
                "laptop: leave it out, and write the value with each row."
            )
    return " ".join(token.text for token in item)
