"""PostgreSQL reads and writes as in Spark's JDBC source, with psycopg instead of Java."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .tokens import StatementRefused

if TYPE_CHECKING:
    import psycopg

PREFIX = "jdbc:postgresql:"
_SECONDS = "10"
_INSTANT = pa.timestamp("us", "UTC")
# PostgreSQL types to Spark types, as in Spark's PostgresDialect.
_READ: Mapping[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "oid": pa.int64(),
    "float4": pa.float32(),
    "float8": pa.float64(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "timestamp": _INSTANT,
    "timestamptz": _INSTANT,
}
_TEXT = frozenset({"text", "varchar", "bpchar", "name"})
_AS_TEXT = ("json", "jsonb", "uuid")
# Spark types to PostgreSQL types, for tables that a write creates.
_WRITE: Mapping[str, str] = {
    "string": "TEXT",
    "binary": "BYTEA",
    "boolean": "BOOLEAN",
    "tinyint": "SMALLINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT4",
    "double": "FLOAT8",
    "date": "DATE",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "timestamp_ntz": "TIMESTAMP",
}


@contextmanager
def connect(options: Mapping[str, str]) -> Iterator["psycopg.Connection[Any]"]:
    """Open a connection in autocommit mode; use `connection.transaction()` for transactions.

    Args:
        options: `url`, `user` and `password` of the catalog connection.

    Raises:
        StatementRefused: The URL is invalid, psycopg is missing, or the database fails.
    """
    url = options.get("url", "")
    if not url.startswith(PREFIX):
        raise StatementRefused(
            f"The laptop reaches PostgreSQL alone by JDBC: '{PREFIX}//host:port/database'; the "
            f"connection's url is '{url}'."
        )
    try:
        import psycopg
    except ImportError as error:
        raise StatementRefused(
            "JDBC on the laptop needs psycopg, which is not installed: pip install "
            "'laptop[postgres]'."
        ) from error
    try:
        with psycopg.connect(
            url.removeprefix("jdbc:"),
            user=options.get("user"),
            password=options.get("password"),
            options="-c timezone=UTC",
            connect_timeout=_SECONDS,
            autocommit=True,
        ) as connection:
            yield connection
    except psycopg.Error as error:
        text = " ".join(str(error).split())
        raise StatementRefused(f"org.postgresql.util.PSQLException: {text}") from error


def read(connection: "psycopg.Connection[Any]", query: str) -> pa.Table:
    """Return the rows of a query, in Spark's types.

    Raises:
        StatementRefused: A column type is not supported.
    """
    from psycopg.types.string import TextLoader

    for name in _AS_TEXT:
        connection.adapters.register_loader(name, TextLoader)
    cursor = connection.execute(query)
    schema = pa.schema([_field(column, query) for column in cursor.description or ()])
    rows = cursor.fetchall()
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [
        pa.array(_aware(values) if field.type == _INSTANT else values, field.type)
        for values, field in zip(columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _field(column: Any, query: str) -> pa.Field:
    name = _type_name(column)
    if name == "numeric":
        kind = pa.decimal128(column.precision or 38, 18 if column.scale is None else column.scale)
    elif name in _TEXT or name in _AS_TEXT:
        kind = pa.string()
    elif name in _READ:
        kind = _READ[name]
    else:
        raise StatementRefused(
            f"Column {column.name} of type {name} is not read on the laptop: cast it to text in "
            f"the query. Query: {query}"
        )
    return pa.field(column.name, kind)


def _type_name(column: Any) -> str:
    from psycopg.postgres import types

    found = types.get(column.type_code)
    array = found is not None and column.type_code == found.array_oid
    return f"{found.name}[]" if array and found else found.name if found else "unknown"


def _aware(values: Sequence[Any]) -> list[Any]:
    """Return timestamps with a time zone: UTC for naive ones."""
    from datetime import UTC

    return [v if v is None or v.tzinfo else v.replace(tzinfo=UTC) for v in values]


def columns_of(connection: "psycopg.Connection[Any]", table: str) -> dict[str, str] | None:
    """Return the column types of a table, or None if it does not exist."""
    from psycopg.errors import UndefinedTable

    try:
        cursor = connection.execute(f"SELECT * FROM {table} WHERE 1=0")
    except UndefinedTable:
        return None
    return {column.name: _type_name(column) for column in cursor.description or ()}


def create(connection: "psycopg.Connection[Any]", table: str, kinds: Mapping[str, str]) -> None:
    """Create a table for columns of Spark simple types.

    Raises:
        StatementRefused: A type has no PostgreSQL equivalent.
    """
    columns = [f"{_quote(name)} {_column_type(name, kind)}" for name, kind in kinds.items()]
    connection.execute(f"CREATE TABLE {table} ({', '.join(columns)})")


def _column_type(name: str, kind: str) -> str:
    if kind.startswith("decimal"):
        return kind.replace("decimal", "NUMERIC")
    if kind not in _WRITE:
        raise StatementRefused(f"Can't get JDBC type for {kind}: column {name}.")
    return _WRITE[kind]


def match(table: str, there: Mapping[str, str], kinds: Mapping[str, str]) -> list[str]:
    """Return the table columns to write, in the order of the rows' columns.

    Raises:
        StatementRefused: A column is missing or has a type that does not fit.
    """
    lowered = {name.lower(): name for name in there}
    for name, kind in kinds.items():
        if name.lower() not in lowered:
            shown = ", ".join(f"{name} {kind}" for name, kind in there.items())
            raise StatementRefused(f"Column {name} not found in schema of {table}: {shown}.")
        found = there[lowered[name.lower()]]
        if kind == "string" and found not in _TEXT:
            raise StatementRefused(
                f'org.postgresql.util.PSQLException: ERROR: column "{name}" is of type {found} but '
                "expression is of type character varying"
            )
        _column_type(name, kind)
    return [lowered[name.lower()] for name in kinds]


def append(
    connection: "psycopg.Connection[Any]", table: str, columns: Sequence[str], rows: pa.Table
) -> None:
    """Append rows to a table in one transaction."""
    names = ", ".join(map(_quote, columns))
    with (
        connection.transaction(),
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy,
    ):
        for batch in rows.to_batches():
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                copy.write_row(row)


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
