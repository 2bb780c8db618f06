"""SQL statements that the engine does not support: rewritten, or run in the catalog.

A handler returns the SQL for the engine to run instead: `NOTHING` if none is left.
"""

from typing import TYPE_CHECKING

from . import alterations, connections, creations, describe, functions, names, writes
from .tokens import API, NOTHING, Cursor, StatementRefused, quote

if TYPE_CHECKING:
    from .creations import FrameOf
    from .plans import Session

_QUERY = ("SELECT", "WITH", "FROM", "VALUES", "TABLE")
# Statements that the engine cannot parse, with alternatives.
_ABSENT = {
    ("GRANT",): "Grant by the API: databricks grants update.",
    ("REVOKE",): "Revoke by the API: databricks grants update.",
    ("CREATE", "EXTERNAL", "VOLUME"): "Create a managed one: CREATE VOLUME.",
    ("CREATE", "TEMPORARY", "FUNCTION"): "Register a UDF in Python.",
    ("CREATE", "OR", "REPLACE", "TEMPORARY", "FUNCTION"): "Register a UDF in Python.",
    ("CREATE", "MATERIALIZED", "VIEW"): "Create a view, or a table AS the query.",
    ("COPY", "INTO"): "Read the files with spark.read and append the rows.",
}
_MAINTENANCE = ("OPTIMIZE", "VACUUM", "ANALYZE", "REFRESH")


def query(session: "Session", text: str) -> str:
    """Return a query rewritten for the engine; other statements only have names replaced."""
    at = Cursor(text)
    if at.any("DESCRIBE", "DESC"):
        return describe.describe(session, at)
    if at.accept("SHOW"):
        return describe.show(session, at) or text
    return names.expand(session, text)


def rewrite(session: "Session", at: Cursor, frame_of: "FrameOf") -> str:
    """Return the SQL that the engine runs in place of a statement.

    Args:
        session: Session of the statement.
        at: The statement.
        frame_of: Returns a DataFrame for a query in the statement.

    Raises:
        StatementRefused: The statement is not supported; the message names an alternative.
    """
    text = at.text
    for words, instead in _ABSENT.items():
        if at.accept(*words):
            raise StatementRefused(f"{' '.join(words)} is not supported on the laptop. {instead}")
    if at.accept("REPLACE", "TABLE"):
        return creations.replace_table(session, at, frame_of)
    if at.accept("CREATE"):
        return creations.create(session, at, frame_of)
    if at.accept("DROP"):
        return _drop(session, at)
    if at.accept("ALTER"):
        return alterations.alter(session, at)
    if at.accept("COMMENT", "ON"):
        return alterations.comment(session, at)
    if at.accept("USE"):
        return _use(session, at)
    if at.accept("TRUNCATE", "TABLE"):
        return f"DELETE FROM {quote(*session.full(at.name()).split('.'))}"
    if at.any(*_MAINTENANCE):
        return NOTHING
    if at.any("INSERT", "MERGE"):
        return _barred(names.expand(session, text))
    return query(session, text)


def _barred(text: str) -> str:
    """Add a LIMIT to the source query of an INSERT or MERGE; see `writes.wrap`."""
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
    """Add the LIMIT to the source of a MERGE."""
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


def _drop(session: "Session", at: Cursor) -> str:
    if at.accept("FUNCTION"):
        return functions.drop(session, at)
    if at.accept("CONNECTION"):
        return connections.drop(session, at)
    if at.accept("VIEW"):
        there = at.accept("IF", "EXISTS")
        full = session.full(at.name())
        found = session.api.find(full)
        if found is not None and found.get("table_type") != "VIEW":
            raise StatementRefused(f"{full} is a table: use DROP TABLE.")
        if found is not None or not there:
            session.api.ask("DELETE", f"{API}/tables/{full}")
        return NOTHING
    if at.accept("VOLUME"):
        there = at.accept("IF", "EXISTS")
        full = session.full(at.name())
        if session.api.has_volume(full) or not there:
            session.api.ask("DELETE", f"{API}/volumes/{full}")
        return NOTHING
    if at.accept("CATALOG"):
        there = at.accept("IF", "EXISTS")
        name = at.name()[0].lower()
        if name in session.api.catalogs() or not there:
            force = "true" if at.accept("CASCADE") else "false"
            session.api.ask("DELETE", f"{API}/catalogs/{name}?force={force}")
        return NOTHING
    if at.accept("TABLE"):
        at.accept("IF", "EXISTS")
        full = session.full(at.name())
        if (session.api.find(full) or {}).get("table_type") == "VIEW":
            raise StatementRefused(f"{full} is a view: use DROP VIEW.")
    return names.expand(session, at.text)


def _use(session: "Session", at: Cursor) -> str:
    if at.accept("CATALOG"):
        return f"USE CATALOG {quote(at.name()[0].lower())}"
    at.any("SCHEMA", "DATABASE", "NAMESPACE")
    levels = [level.lower() for level in at.name()]
    if len(levels) > 1:
        session.spark.sql(f"USE CATALOG {quote(levels[0])}").collect()
    full = ".".join([session.current()[0], levels[-1]])
    session.api.ask("GET", f"{API}/schemas/{full}")
    return f"USE SCHEMA {quote(levels[-1])}"
