"""SQL CREATE and DROP FUNCTION: scalar Python functions stored in the catalog."""

from typing import TYPE_CHECKING, Any

from ..features.errors import FeatureError
from ..features.types import arrow_type, simple_name
from .tokens import API, NOTHING, Cursor, StatementRefused, Token, column_info

if TYPE_CHECKING:
    from .plans import Session

_QUOTES = "$$"
_FORM = (
    "The laptop takes CREATE [OR REPLACE] FUNCTION name(parameter TYPE, …) RETURNS TYPE LANGUAGE "
    "PYTHON [DETERMINISTIC] [COMMENT '…'] AS $$ … $$."
)


def create(session: "Session", at: Cursor, *, instead: bool) -> str:
    """Create a function; `at` is positioned after CREATE FUNCTION."""
    there = at.accept("IF", "NOT", "EXISTS")
    full = session.full(at.name())
    catalog, schema, name = full.split(".")
    parameters = [_parameter(at, full, item, n) for n, item in enumerate(at.group())]
    names = [parameter["name"] for parameter in parameters]
    if len(set(names)) < len(names):
        raise StatementRefused(f"Function {full} names a parameter twice: {', '.join(names)}.")
    if not at.accept("RETURNS"):
        raise _refused(full, at)
    returned = column_info("", _type(full, at), 0)
    declared = _clauses(at, full)
    function = {
        "catalog_name": catalog,
        "schema_name": schema,
        "name": name,
        "input_params": {"parameters": parameters},
        "data_type": returned["type_name"],
        "full_data_type": str(returned["type_text"]).upper(),
        "routine_body": "EXTERNAL",
        "external_language": "Python",
        "parameter_style": "S",
        "security_type": "DEFINER",
        "sql_data_access": "NO_SQL",
        "is_null_call": True,
        "is_deterministic": False,
        "specific_name": name,
        **declared,
    }
    if there and session.api.find_function(full) is not None:
        return NOTHING
    body = {"function_info": function, "replace": instead}
    session.api.ask("POST", f"{API}/functions", body)
    return NOTHING


def drop(session: "Session", at: Cursor) -> str:
    """Drop a function; `at` is positioned after DROP FUNCTION."""
    there = at.accept("IF", "EXISTS")
    full = session.full(at.name())
    if not there or session.api.find_function(full) is not None:
        session.api.ask("DELETE", f"{API}/functions/{full}")
    return NOTHING


def refuse_call(session: "Session", levels: list[str]) -> None:
    """Reject a call of a catalog function in a query.

    Raises:
        StatementRefused: The name is a catalog function.
    """
    if not session.api.is_function(levels[-1].lower()):
        return
    full = session.full(tuple(levels))
    if session.api.find_function(full) is not None:
        raise StatementRefused(
            f"A query that calls {full} is not supported on the laptop: functions of the catalog "
            "are evaluated where features are looked up. Name it in a FeatureFunction, or "
            "register a UDF of your session for the query."
        )


def _parameter(at: Cursor, full: str, item: list[Token], position: int) -> dict[str, Any]:
    inner = Cursor(at.slice(item))
    (name, *more) = inner.name()
    info: dict[str, Any] = column_info(name, _type(full, inner), position)
    if inner.accept("COMMENT"):
        info["comment"] = inner.string()
    if more or inner.rest:
        raise StatementRefused(
            f"'{at.slice(item)}' of function {full} is not supported on the laptop. A parameter "
            "is a name, a type and at most a COMMENT."
        )
    return info | {"parameter_mode": "IN", "parameter_type": "PARAM"}


def _type(full: str, at: Cursor) -> str:
    word = at.take().text
    if at.next.text == "(":
        begin = at.next.start
        at.group()
        word += at.text[begin : at.tokens[at.at - 1].end].replace(" ", "")
    kind = simple_name("decimal(10,0)" if word.lower() == "decimal" else word)
    try:
        arrow_type(kind)
    except FeatureError as error:
        raise StatementRefused(
            f"Type {word} of function {full} is not supported on the laptop. Allowed: BOOLEAN, "
            "TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, DECIMAL, STRING, DATE, TIMESTAMP."
        ) from error
    return kind


def _clauses(at: Cursor, full: str) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    language = ""
    while not at.accept("AS"):
        if at.accept("LANGUAGE"):
            language = at.take().upper
        elif at.accept("NOT", "DETERMINISTIC"):
            kept["is_deterministic"] = False
        elif at.accept("DETERMINISTIC"):
            kept["is_deterministic"] = True
        elif at.accept("COMMENT"):
            kept["comment"] = at.string()
        else:
            raise _refused(full, at)
    body = at.take()
    if language != "PYTHON" or body.kind != "dollar" or at.rest:
        raise StatementRefused(
            f"Function {full} needs LANGUAGE PYTHON and a body between {_QUOTES} and {_QUOTES}. "
            f"{_FORM}"
        )
    kept["routine_definition"] = body.text.removeprefix(_QUOTES).removesuffix(_QUOTES)
    return kept


def _refused(full: str, at: Cursor) -> StatementRefused:
    what = at.rest[:60] or "the end"
    return StatementRefused(f"'{what}' of function {full} is not supported on the laptop. {_FORM}")
