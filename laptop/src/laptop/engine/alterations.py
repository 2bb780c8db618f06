"""SQL ALTER and COMMENT ON for tables, views, schemas and catalogs, applied to the catalog."""

from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from . import writes
from .creations import read_constraint, require_plain
from .tokens import API, NOTHING, Cursor, StatementRefused, Token, quote

if TYPE_CHECKING:
    from .plans import Session


def alter(session: "Session", at: Cursor) -> str:
    """Run an ALTER statement; `at` is positioned after ALTER."""
    kind = at.take().upper
    if kind not in ("TABLE", "VIEW", "SCHEMA", "DATABASE", "CATALOG"):
        return at.text
    levels = at.name()
    full = session.full(levels)
    place = f"{API}/tables/{full}"
    if kind in ("SCHEMA", "DATABASE"):
        full = ".".join([session.current()[0], *levels][-2:]).lower()
        place = f"{API}/schemas/{full}"
    elif kind == "CATALOG":
        place = f"{API}/catalogs/{levels[0].lower()}"
    if at.accept("SET", "OWNER", "TO") or at.accept("OWNER", "TO"):
        session.api.ask("PATCH", place, {"owner": at.take().value})
        return NOTHING
    setting = at.any("SET")
    if (setting or at.any("UNSET")) and at.any(
        "TBLPROPERTIES", "TAGS", "DBPROPERTIES", "PROPERTIES"
    ):
        prefix = "tag." if at.tokens[at.at - 1].upper == "TAGS" else ""
        at.accept("IF", "EXISTS")
        _change_properties(session, at, place, prefix, setting=setting)
        return NOTHING
    if kind in ("TABLE", "VIEW"):
        columns = _alter_table(session, at, full, place)
        if columns:
            return NOTHING
    raise StatementRefused(
        f"'{at.text}' is not supported on the laptop. It takes ALTER TABLE … SET or UNSET "
        "TBLPROPERTIES or TAGS, ADD or DROP CONSTRAINT, ADD COLUMNS, ALTER COLUMN … COMMENT or "
        "SET NOT NULL, CLUSTER BY and RENAME TO. For other changes write the table again: CREATE "
        "OR REPLACE TABLE … AS SELECT."
    )


def _change_properties(
    session: "Session", at: Cursor, place: str, prefix: str, *, setting: bool
) -> None:
    known = dict(session.api.ask("GET", place).get("properties") or {})
    if setting:
        known.update({f"{prefix}{key}": value for key, value in at.properties().items()})
    else:
        for item in at.group():
            known.pop(prefix + "".join(token.value for token in item), None)
    session.api.ask("PATCH", place, {"properties": known})


def _alter_table(session: "Session", at: Cursor, full: str, place: str) -> bool:
    if at.accept("CLUSTER", "BY"):
        return True
    if at.accept("RENAME", "TO"):
        session.api.ask("PATCH", place, {"new_name": session.full(at.name())})
        return True
    if at.accept("ADD"):
        if at.any("COLUMN", "COLUMNS"):
            at.accept("IF", "NOT", "EXISTS")
            items = at.group() if at.next.text == "(" else [at.tokens[at.at :]]
            columns = {item[0].value: _type_of(at, item) for item in items}
            writes.add_columns(session, full, columns)
            return True
        key = read_constraint(at, full, at.tokens[at.at :])
        if key is not None:
            body = {"full_name_arg": full, "constraint": key}
            session.api.ask("POST", f"{API}/constraints", body)
            return True
    if at.accept("DROP"):
        name = ""
        if at.accept("CONSTRAINT"):
            at.accept("IF", "EXISTS")
            name = at.name()[0]
        elif not at.accept("PRIMARY", "KEY"):
            return False
        place = f"{API}/constraints/{full}?constraint_name={quote_plus(name)}"
        session.api.ask("DELETE", place)
        return True
    if at.any("ALTER", "CHANGE"):
        at.accept("COLUMN")
        return _alter_column(session, at, full, place)
    return False


def _type_of(at: Cursor, item: list[Token]) -> str:
    require_plain("the table", item)
    end = next(
        (i for i, t in enumerate(item) if t.upper in ("COMMENT", "NOT", "FIRST", "AFTER")),
        len(item),
    )
    if end < len(item) and item[end].upper == "NOT":
        raise StatementRefused(
            f"Column {item[0].value} cannot be added NOT NULL: rows that are there have no value."
        )
    return at.slice(item[1:end]).lower()


def _alter_column(session: "Session", at: Cursor, full: str, place: str) -> bool:
    column = at.name()[-1]
    if at.accept("SET", "NOT", "NULL"):
        null = session.spark.sql(
            f"SELECT 1 FROM {quote(*full.split('.'))} WHERE {quote(column)} IS NULL LIMIT 1"
        )
        if null.collect():
            raise StatementRefused(f"Column {column} of {full} has nulls: it cannot be NOT NULL.")
        change: dict[str, Any] = {"nullable": False}
    elif at.accept("DROP", "NOT", "NULL"):
        raise StatementRefused(
            f"DROP NOT NULL is not supported on the laptop: rewrite {full} with CREATE OR "
            "REPLACE TABLE."
        )
    elif at.accept("COMMENT"):
        change = {"comment": at.string()}
    elif at.accept("SET", "TAGS"):
        change = {"tags": at.properties()}
    else:
        return False
    _change_column(session, full, place, column, change)
    return True


def _change_column(
    session: "Session", full: str, place: str, column: str, change: dict[str, Any]
) -> None:
    columns = session.api.ask("GET", place)["columns"]
    found = [c for c in columns if c["name"].lower() == column.lower()]
    if not found:
        there = ", ".join(c["name"] for c in columns)
        raise StatementRefused(f"{full} has no column {column}. It has: {there}.")
    found[0].update(change)
    session.api.ask("PATCH", place, {"columns": columns})


def comment(session: "Session", at: Cursor) -> str:
    """Run a COMMENT ON statement; `at` is positioned after COMMENT ON."""
    kind = at.take().upper
    levels = at.name()
    if not at.accept("IS"):
        raise StatementRefused(f"COMMENT ON needs IS and a text; got: {at.rest}")
    body = {"comment": None if at.accept("NULL") else at.string()}
    if kind == "COLUMN":
        full = session.full(levels[:-1])
        _change_column(session, full, f"{API}/tables/{full}", levels[-1], body)
    elif kind in ("TABLE", "VIEW"):
        session.api.ask("PATCH", f"{API}/tables/{session.full(levels)}", body)
    elif kind in ("SCHEMA", "DATABASE"):
        full = ".".join([session.current()[0], *levels][-2:]).lower()
        session.api.ask("PATCH", f"{API}/schemas/{full}", body)
    elif kind == "CATALOG":
        session.api.ask("PATCH", f"{API}/catalogs/{levels[0].lower()}", body)
    else:
        raise StatementRefused(f"COMMENT ON {kind} is not supported on the laptop.")
    return NOTHING
