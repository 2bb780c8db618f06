"""A table of another database, reached by a JDBC connection of Unity Catalog.

Spark can read and append, but cannot run statements there. It appends each partition in one
transaction.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors.base import DatabricksError

from .context import Lakehouse
from .errors import OutputError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, DataFrameReader, SparkSession


@dataclass(frozen=True)
class JdbcTable:
    """An existing table of another database.

    Attributes:
        connection: Unity Catalog connection to the database.
        name: Name of the table in queries of that database.
    """

    connection: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} of connection {self.connection}"


def append_runs(
    lakehouse: Lakehouse,
    table: JdbcTable,
    column: str,
    runs: Mapping[datetime, int],
    rows_of: Callable[[datetime], "DataFrame"],
) -> Iterator[str]:
    """Append the rows of each run that a table does not have yet.

    Args:
        lakehouse: The platform's clients.
        table: The table.
        column: Column with the instant of the run, in the rows and in the table.
        runs: Number of rows by the instant of the run, oldest first; at least one.
        rows_of: Returns the rows of a run.

    Yields:
        A message for each appended run, or one message if there is nothing to append.

    Raises:
        OutputError: Rows cannot be appended, or the table holds a part of a run, which only a
            statement in its database can correct.
    """
    spark = lakehouse.spark
    require_connection(lakehouse.workspace, table)
    since = min(runs)
    require_columns(spark, table, rows_of(since).columns)
    sent = count_by_instant(spark, table, column, since)
    appended, refused = 0, []
    for at, rows in runs.items():
        there = sent.get(at, 0)
        if not there:
            append(table, rows_of(at))
            appended += 1
            yield f"{rows:,} rows of the run {at:%Y-%m-%d %H:%M:%S} UTC appended to {table}"
        elif there != rows:
            refused.append(
                f"{table} holds {there:,} of the {rows:,} rows of the run {at:%Y-%m-%d %H:%M:%S} "
                "UTC; none is appended, so that none is there twice. Run in its database: DELETE "
                f"FROM {table.name} WHERE {column} = {literal(at)}; then run the task outputs "
                "again: it appends them all."
            )
    if refused:
        raise OutputError(" ".join(refused))
    if not appended:
        yield f"{table} has all rows since {since:%Y-%m-%d %H:%M} UTC"


def require_connection(workspace: WorkspaceClient, table: JdbcTable) -> None:
    """Check that a connection can be used.

    Raises:
        OutputError: It does not exist, or the task's principal may not use it.
    """
    try:
        workspace.connections.get(table.connection)
    except DatabricksError as error:
        raise OutputError(
            f"Connection {table.connection} cannot be used: {first_line(error)}. Make it by CREATE "
            "CONNECTION … TYPE JDBC, and grant USE CONNECTION on it to the job's principal: see "
            "docs/outputs.md. Or send nothing: no jdbc in conf/outputs.yml."
        ) from error


def require_columns(spark: "SparkSession", table: JdbcTable, columns: Sequence[str]) -> None:
    """Check that a table has the columns: Spark's append would create one without a key.

    Raises:
        OutputError: The table or a column is missing, or the database cannot be reached.
    """
    from pyspark.errors import PySparkException

    try:
        there = _reader(spark, table).option("dbtable", table.name).load().columns
    except PySparkException as error:
        raise OutputError(
            f"{table} cannot be read: {first_line(error)}. If its database was not reached, "
            "correct the connection; if the table is missing, make it as docs/outputs.md says. "
            "Then run the task outputs again: it sends the missing rows."
        ) from error
    known = {name.lower() for name in there}
    missing = [name for name in columns if name.lower() not in known]
    if missing:
        raise OutputError(
            f"{table} lacks the columns {', '.join(missing)}; it has {', '.join(there)}. Nothing "
            "was appended. Add them in the database, as docs/outputs.md says."
        )


def count_by_instant(
    spark: "SparkSession", table: JdbcTable, column: str, since: datetime
) -> Mapping[datetime, int]:
    """Return a table's number of rows by instant, from `since` on.

    Raises:
        OutputError: The query fails.
    """
    from pyspark.errors import PySparkException
    from pyspark.sql import functions as F  # noqa: N812

    query = (
        f"SELECT {column}, count(*) AS sent FROM {table.name} "
        f"WHERE {column} >= {literal(since)} GROUP BY {column}"
    )
    try:
        found = _reader(spark, table).option("query", query).load()
        instant = F.col(column).cast("timestamp")
        rows = found.select(F.unix_micros(instant).alias("micros"), "sent").collect()
    except PySparkException as error:
        raise OutputError(
            f"{table} cannot be counted: {first_line(error)}. Nothing is appended. Column {column} "
            "must be a timestamp with time zone: see docs/outputs.md."
        ) from error
    return {datetime.fromtimestamp(row.micros / 1e6, UTC): int(row.sent) for row in rows}


def append(table: JdbcTable, rows: "DataFrame") -> None:
    """Append rows in one transaction, as one partition.

    Raises:
        OutputError: The append failed; the table holds none of the rows.
    """
    from pyspark.errors import PySparkException

    writer = rows.coalesce(1).write.format("jdbc").mode("append")
    try:
        (
            writer.option("databricks.connection", table.connection)
            .option("dbtable", table.name)
            .save()
        )
    except PySparkException as error:
        raise OutputError(
            f"Rows were not appended to {table}: {first_line(error)}. The append is one "
            "transaction: it holds none or, if only the response was lost, all. Correct the error, "
            "then run the task outputs again: it sends the missing rows."
        ) from error


def literal(instant: datetime) -> str:
    """Return an instant as an SQL literal."""
    return f"TIMESTAMP WITH TIME ZONE '{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00:00'"


def _reader(spark: "SparkSession", table: JdbcTable) -> "DataFrameReader":
    return spark.read.format("jdbc").option("databricks.connection", table.connection)


def first_line(error: Exception) -> str:
    """Return the first line of an error, without a full stop or a Java stack trace."""
    lines = str(error).strip().splitlines()
    return " ".join(lines[0].split()).rstrip(".") if lines else type(error).__name__
