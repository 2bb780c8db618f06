"""SQL statements that the engine lacks: done in the catalog, or said in other words.

A handler returns the text that the engine is to run instead; `_NOTHING` where all is done.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from . import describe, names, writes
from .tokens import Cursor, StatementRefused, Token, answer, column_info, quote

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame

    from .plans import Session

    FrameOf = Callable[[str], DataFrame]

_NOTHING = answer("status string", [])
_QUERY = ("SELECT", "WITH", "FROM", "VALUES", "TABLE")
_MAINTENANCE = ("OPTIMIZE", "VACUUM", "ANALYZE", "REFRESH")
_API = "/api/2.1/unity-catalog"


def query(session: "Session", text: str) -> str:
    """Return a query as the engine can run it; of what is no query, only the names."""
    at = Cursor(text)
    if at.any("DESCRIBE", "DESC"):
        return describe.describe(session, at)
    if at.accept("SHOW"):
        return describe.show(session, at) or text
    return names.expand(session, text)


def rewrite(session: "Session", at: Cursor, frame_of: "FrameOf") -> str:
    """Return what the engine runs in place of a statement.

    Args:
        session: Where it runs.
        at: The statement.
        frame_of: Makes a DataFrame of a query that is a part of it.

    Raises:
        StatementRefused: It cannot be run; the message says what to write instead.
    """
    text = at.text
    if at.accept("CREATE"):
        return _create(session, at, frame_of)
    if at.accept("DROP"):
        return _drop(session, at)
    if at.accept("ALTER"):
        return _alter(session, at)
    if at.accept("COMMENT", "ON"):
        return _comment(session, at)
    if at.accept("USE"):
        return _use(session, at)
    if at.accept("TRUNCATE", "TABLE"):
        return f"DELETE FROM {quote(*session.full(at.name()).split('.'))}"
    if at.any(*_MAINTENANCE):
        return _NOTHING
    if at.any("INSERT", "MERGE"):
        return _barred(names.expand(session, text))
    return query(session, text)


def _barred(text: str) -> str:
    """Put a barrier above the query that a statement writes; see `writes.wrap`."""
    at = Cursor(text)
    merging = at.accept("MERGE")
    depth = 0
    while at.next.kind != "end":
        token, word = at.next, at.next.upper
        if merging and not depth and word == "USING":
            at.take()
            return _barred_source(at)
        query_here = word in _QUERY[:4] or (
            word == "("
            and at.tokens[at.at + 1 : at.at + 2]
            and at.tokens[at.at + 1].upper in _QUERY
        )
        if not merging and not depth and query_here:
            if word == "VALUES":
                return text
            return f"{text[: token.start]}SELECT * FROM ({at.rest}\n) LIMIT {writes.MOST_ROWS}"
        depth += {"(": 1, ")": -1}.get(at.take().text, 0)
    return text


def _barred_source(at: Cursor) -> str:
    """Put the barrier above the source of a MERGE."""
    begin = at.next.start
    if at.next.text == "(":
        at.group()
        source, alias = at.text[begin : at.tokens[at.at - 1].end], ""
    else:
        levels = at.name()
        source, alias = quote(*levels), f" AS {quote(levels[-1])}"
    end = at.tokens[at.at - 1].end
    if at.next.upper != "ON":
        alias = ""
    inner = f"(SELECT * FROM {source} LIMIT {writes.MOST_ROWS})"
    return f"{at.text[:begin]}{inner}{alias}{at.text[end:]}"


def _create(session: "Session", at: Cursor, frame_of: "FrameOf") -> str:
    instead = at.accept("OR", "REPLACE")
    if at.accept("CATALOG"):
        there = at.accept("IF", "NOT", "EXISTS")
        name = at.name()[0].lower()
        if not (there and name in session.api.catalogs()):
            comment = at.string() if at.accept("COMMENT") else None
            session.api.ask("POST", f"{_API}/catalogs", {"name": name, "comment": comment})
        return _NOTHING
    if at.accept("VIEW"):
        return _create_view(session, at, frame_of, instead=instead)
    if at.accept("TABLE"):
        return _create_table(session, at, frame_of, instead=instead)
    return names.expand(session, at.text)


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
            return _NOTHING
        raise StatementRefused(f"[TABLE_OR_VIEW_ALREADY_EXISTS] {full} exists already.")
    if present is not None:
        session.api.ask("DELETE", f"{_API}/tables/{full}")
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
    session.api.ask("POST", f"{_API}/tables", view)
    return _NOTHING


def _clauses(at: Cursor, full: str) -> dict[str, Any]:
    """Go past what a table or view declares behind its columns; return what the catalog keeps."""
    kept: dict[str, Any] = {}
    while at.next.kind != "end" and at.next.upper != "AS" and at.next.upper not in _QUERY:
        if at.accept("COMMENT"):
            kept["comment"] = at.string()
        elif at.accept("TBLPROPERTIES"):
            kept["properties"] = _properties(at)
        elif at.accept("USING"):
            if at.take().value.lower() != "delta":
                raise StatementRefused(f"Table {full} must be USING DELTA on the laptop.")
        elif at.accept("PARTITIONED", "BY"):
            kept["partitions"] = [at.slice(item) for item in at.group()]
        elif at.accept("CLUSTER", "BY"):
            # How rows lie in files; nothing that a query would see.
            if not at.any("AUTO", "NONE"):
                at.group()
        else:
            raise StatementRefused(
                f"'{at.rest[:60]}' of table {full} is not on the laptop. It takes COMMENT, "
                "TBLPROPERTIES, PARTITIONED BY, CLUSTER BY and AS."
            )
    return kept


def _properties(at: Cursor) -> dict[str, str]:
    found = {}
    for item in at.group():
        cut = next((i for i, token in enumerate(item) if token.text == "="), None)
        key = item[:cut] if cut is not None else item[: len(item) - 1]
        value = item[cut + 1 :] if cut is not None else item[-1:]
        if not key or not value:
            text = f"A property is written key = value; got: {at.slice(item)}"
            raise StatementRefused(text)
        found["".join(t.value for t in key)] = "".join(t.value for t in value)
    return found


def _key_of(at: Cursor, full: str, item: list[Token]) -> dict[str, Any] | None:
    """Return the constraint that an item of a table's columns declares, None for a column."""
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
        key = _key_of(at, full, item)
        if key is None:
            key = _inline_key(full, item)
            columns.append(_column(full, item))
        keys += [key] if key else []
    declared = _clauses(at, full)
    at.accept("AS")
    text = at.rest if like is None else f"SELECT * FROM {quote(*like)} LIMIT 0"
    present = session.api.find(full)
    if present is not None and there:
        return _NOTHING
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
            # A partition may be declared with its type, in place of a column.
            more = [p for p in parted if " " in p.strip()]
            by = f" PARTITIONED BY ({', '.join(p.split()[0] for p in parted)})" if parted else ""
            shape = ", ".join([*columns, *more])
            session.spark.sql(f"CREATE TABLE {quote(*levels)} ({shape}) USING DELTA{by}")
        name = ".".join(levels)
        if declared:
            session.api.ask("PATCH", f"{_API}/tables/{name}", declared)
        for key in keys:
            body = {"full_name_arg": name, "constraint": key}
            try:
                session.api.ask("POST", f"{_API}/constraints", body)
            except Exception:
                session.api.ask("DELETE", f"{_API}/tables/{name}")
                raise

    if present is not None:
        writes.replace(session, full.split("."), make)
    else:
        make(full.split("."))
    return _NOTHING


def _inline_key(full: str, item: list[Token]) -> dict[str, Any] | None:
    words = [token.upper for token in item]
    for at in range(len(words) - 1):
        if words[at : at + 2] == ["PRIMARY", "KEY"]:
            before = words[at - 2] == "CONSTRAINT"
            name = item[at - 1].value if before else f"{full.rpartition('.')[2]}_pk"
            # The key of one column needs no NOT NULL beside it.
            del item[at - 2 * before : at + 2]
            if item[-1].upper in ("RELY", "NORELY"):
                item.pop()
            if "NOT" not in words:
                item.append(Token("word", "NOT NULL", -1, -1))
            keys = {"name": name, "child_columns": [item[0].value]}
            return {"primary_key_constraint": keys}
    return None


def _column(full: str, item: list[Token]) -> str:
    words = [token.upper for token in item]
    for word in ("DEFAULT", "GENERATED", "MASK"):
        if word in words[1:]:
            raise StatementRefused(
                f"Column {item[0].value} of {full} is declared with {word}, which is not on the "
                "laptop: leave it out, and write the value with each row."
            )
    return " ".join(token.text for token in item)


def _drop(session: "Session", at: Cursor) -> str:
    if at.accept("VIEW"):
        there = at.accept("IF", "EXISTS")
        full = session.full(at.name())
        found = session.api.find(full)
        if found is not None and found.get("table_type") != "VIEW":
            raise StatementRefused(f"{full} is a table: use DROP TABLE.")
        if found is not None or not there:
            session.api.ask("DELETE", f"{_API}/tables/{full}")
        return _NOTHING
    if at.accept("CATALOG"):
        there = at.accept("IF", "EXISTS")
        name = at.name()[0].lower()
        if name in session.api.catalogs() or not there:
            force = "true" if at.accept("CASCADE") else "false"
            session.api.ask("DELETE", f"{_API}/catalogs/{name}?force={force}")
        return _NOTHING
    if at.accept("TABLE"):
        at.accept("IF", "EXISTS")
        full = session.full(at.name())
        if (session.api.find(full) or {}).get("table_type") == "VIEW":
            raise StatementRefused(f"{full} is a view: use DROP VIEW.")
    return names.expand(session, at.text)


def _alter(session: "Session", at: Cursor) -> str:
    kind = at.take().upper
    if kind not in ("TABLE", "VIEW", "SCHEMA", "DATABASE", "CATALOG"):
        return at.text
    levels = at.name()
    full = session.full(levels)
    place = f"{_API}/tables/{full}"
    if kind in ("SCHEMA", "DATABASE"):
        full = ".".join([session.current()[0], *levels][-2:]).lower()
        place = f"{_API}/schemas/{full}"
    elif kind == "CATALOG":
        place = f"{_API}/catalogs/{levels[0].lower()}"
    if at.accept("SET", "OWNER", "TO") or at.accept("OWNER", "TO"):
        session.api.ask("PATCH", place, {"owner": at.take().value})
        return _NOTHING
    setting = at.any("SET")
    if (setting or at.any("UNSET")) and at.any(
        "TBLPROPERTIES", "TAGS", "DBPROPERTIES", "PROPERTIES"
    ):
        prefix = "tag." if at.tokens[at.at - 1].upper == "TAGS" else ""
        at.accept("IF", "EXISTS")
        _change_properties(session, at, place, prefix, setting=setting)
        return _NOTHING
    if kind in ("TABLE", "VIEW"):
        columns = _alter_table(session, at, full, place)
        if columns:
            return _NOTHING
    raise StatementRefused(
        f"'{at.text}' is not on the laptop. It takes ALTER TABLE … SET or UNSET TBLPROPERTIES or "
        "TAGS, ADD or DROP CONSTRAINT, ADD COLUMNS, ALTER COLUMN … COMMENT or SET NOT NULL, "
        "CLUSTER BY and RENAME TO. For other changes write the table anew: CREATE OR REPLACE "
        "TABLE … AS SELECT."
    )


def _change_properties(
    session: "Session", at: Cursor, place: str, prefix: str, *, setting: bool
) -> None:
    known = dict(session.api.ask("GET", place).get("properties") or {})
    if setting:
        known.update({f"{prefix}{key}": value for key, value in _properties(at).items()})
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
        key = _key_of(at, full, at.tokens[at.at :])
        if key is not None:
            body = {"full_name_arg": full, "constraint": key}
            session.api.ask("POST", f"{_API}/constraints", body)
            return True
    if at.accept("DROP"):
        name = ""
        if at.accept("CONSTRAINT"):
            at.accept("IF", "EXISTS")
            name = at.name()[0]
        elif not at.accept("PRIMARY", "KEY"):
            return False
        place = f"{_API}/constraints/{full}?constraint_name={quote_plus(name)}"
        session.api.ask("DELETE", place)
        return True
    if at.any("ALTER", "CHANGE"):
        at.accept("COLUMN")
        return _alter_column(session, at, full, place)
    return False


def _type_of(at: Cursor, item: list[Token]) -> str:
    _column("the table", item)
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
            f"DROP NOT NULL is not on the laptop: write {full} anew with CREATE OR REPLACE TABLE."
        )
    elif at.accept("COMMENT"):
        change = {"comment": at.string()}
    elif at.accept("SET", "TAGS"):
        change = {"tags": _properties(at)}
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


def _comment(session: "Session", at: Cursor) -> str:
    kind = at.take().upper
    levels = at.name()
    if not at.accept("IS"):
        raise StatementRefused(f"COMMENT ON needs IS and a text; got: {at.rest}")
    body = {"comment": None if at.accept("NULL") else at.string()}
    if kind == "COLUMN":
        full = session.full(levels[:-1])
        _change_column(session, full, f"{_API}/tables/{full}", levels[-1], body)
    elif kind in ("TABLE", "VIEW"):
        session.api.ask("PATCH", f"{_API}/tables/{session.full(levels)}", body)
    elif kind in ("SCHEMA", "DATABASE"):
        full = ".".join([session.current()[0], *levels][-2:]).lower()
        session.api.ask("PATCH", f"{_API}/schemas/{full}", body)
    elif kind == "CATALOG":
        session.api.ask("PATCH", f"{_API}/catalogs/{levels[0].lower()}", body)
    else:
        raise StatementRefused(f"COMMENT ON {kind} is not on the laptop.")
    return _NOTHING


def _use(session: "Session", at: Cursor) -> str:
    if at.accept("CATALOG"):
        return f"USE CATALOG {quote(at.name()[0].lower())}"
    at.any("SCHEMA", "DATABASE", "NAMESPACE")
    levels = [level.lower() for level in at.name()]
    if len(levels) > 1:
        session.spark.sql(f"USE CATALOG {quote(levels[0])}").collect()
    full = ".".join([session.current()[0], levels[-1]])
    session.api.ask("GET", f"{_API}/schemas/{full}")
    return f"USE SCHEMA {quote(levels[-1])}"
