"""Spark's `jdbc` data source over catalog connections, which the engine does not support."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql.connect.proto import commands_pb2
from pyspark.sql.pandas.types import from_arrow_schema

from . import postgres
from .tokens import StatementRefused

if TYPE_CHECKING:
    from .plans import Session

CONNECTION = "databricks.connection"
_ALLOWED = "externaloptionsallowlist"
_BUILT = ("dbtable", "query")


def is_jdbc(source: str) -> bool:
    """Return whether a format is `jdbc`."""
    return source.lower() == "jdbc"


def place_read(session: "Session", relation: Any, *, rows: bool) -> None:
    """Replace a JDBC read with a local relation that has its rows.

    Args:
        session: The session.
        relation: A `read` relation, changed in place.
        rows: Whether to read the rows, or only the schema.

    Raises:
        StatementRefused: The connection or an option is invalid, or the database fails.
    """
    options = {key.lower(): value for key, value in relation.read.data_source.options.items()}
    with postgres.connect(_connection(session, options)) as connection:
        found = postgres.read(connection, f"{_query(options)}{'' if rows else ' WHERE 1=0'}")
    # Without rows, the engine takes the types from the schema.
    relation.local_relation.schema = from_arrow_schema(found.schema).json()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, found.schema) as stream:
        stream.write_table(found)
    relation.local_relation.data = sink.getvalue().to_pybytes()


def _query(options: Mapping[str, str]) -> str:
    table, query = options.get("dbtable"), options.get("query")
    if table and query:
        raise StatementRefused("Both `dbtable` and `query` can not be specified at the same time.")
    if not table and not query:
        raise StatementRefused("Option `dbtable` or `query` is required.")
    return f"SELECT * FROM {table or f'({query}) SPARK_GEN_SUBQ_0'}"


def save(session: "Session", operation: Any) -> None:
    """Append a DataFrame to a database table, one transaction per partition as in Spark.

    With `coalesce(1)` the append is atomic. Any other DataFrame is written as two partitions, to
    expose tasks that need an atomic append.

    Raises:
        StatementRefused: The append fails; rows of earlier partitions remain.
    """
    options = {key.lower(): value for key, value in operation.options.items()}
    if operation.mode != commands_pb2.WriteOperation.SAVE_MODE_APPEND:
        raise StatementRefused('By JDBC the laptop appends alone: write .mode("append").')
    table = options.get("dbtable")
    if not table or "query" in options:
        raise StatementRefused(
            "Option `dbtable` is required. Option `query` is not applicable while writing."
        )
    known = _connection(session, options)
    rows = session.frame(operation.input)
    kinds = dict(rows.dtypes)
    with postgres.connect(known) as connection:
        there = postgres.columns_of(connection, table)
        if there is None:
            postgres.create(connection, table, kinds)
            there = postgres.columns_of(connection, table) or {}
        columns = postgres.match(table, there, kinds)
        found = rows.toArrow()
        plan = operation.input.repartition
        one = operation.input.WhichOneof("rel_type") == "repartition" and plan.num_partitions == 1
        half = len(found) if one else (len(found) + 1) // 2
        for part in (found.slice(0, half), found.slice(half)):
            if len(part):
                postgres.append(connection, table, columns, part)


def _connection(session: "Session", options: Mapping[str, str]) -> dict[str, str]:
    """Return the options of the connection named in `databricks.connection`."""
    name = options.get(CONNECTION, "")
    if not name:
        raise StatementRefused(
            "JDBC on the laptop is by a connection of the catalog alone: set the option "
            f"{CONNECTION}."
        )
    found = session.api.find_connection(name.lower())
    if found is None:
        raise StatementRefused(
            "[CONNECTION_NOT_FOUND] Cannot execute this command because the connection name "
            f"`{name}` was not found."
        )
    known = {key.lower(): value for key, value in found["options"].items()}
    allowed = [each.strip().lower() for each in known.get(_ALLOWED, ",".join(_BUILT)).split(",")]
    for key in options:
        if key == CONNECTION:
            continue
        if key not in allowed:
            raise StatementRefused(
                f"Option {key} is not allowed by connection {name}. Name it in its "
                "externalOptionsAllowList."
            )
        if key not in _BUILT:
            raise StatementRefused(
                f"Option {key} of JDBC is not supported on the laptop. There are: "
                f"{', '.join(_BUILT)}."
            )
    return known
