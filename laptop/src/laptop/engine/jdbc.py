"""Spark's source `jdbc` by a connection of the catalog, of which the engine knows nothing."""

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
    """Tell whether a format is the one that is done here."""
    return source.lower() == "jdbc"


def place_read(session: "Session", relation: Any, *, rows: bool) -> None:
    """Replace a relation that reads by JDBC by the rows that it reads.

    Args:
        session: The session.
        relation: Of the kind `read`.
        rows: Whether the rows are wanted; else there are their types alone.

    Raises:
        StatementRefused: Connection, options or database do not give them.
    """
    options = {key.lower(): value for key, value in relation.read.data_source.options.items()}
    with postgres.connect(_connection(session, options)) as connection:
        found = postgres.read(connection, f"{_query(options)}{'' if rows else ' WHERE 1=0'}")
    # The engine takes the types of rows that are not there from the schema alone.
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
    """Append a DataFrame to a table of a database, a transaction for each partition, as Spark does.

    A DataFrame of one partition, by `coalesce(1)`, is there as a whole or not at all. Any other
    counts as one of two partitions, so that a task which needs one shows it.

    Raises:
        StatementRefused: Connection, options or database refuse; rows of earlier partitions stay.
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
    """Return the options of the connection that options name."""
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
                f"Option {key} of JDBC is not on the laptop. There are: {', '.join(_BUILT)}."
            )
    return known
