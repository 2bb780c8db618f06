"""Tables: create what is missing, add what is new, leave the rest."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound

from .context import Lakehouse
from .errors import LakehouseError, SchemaChangedError, TableMissingError, TableUnreadableError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

CHANGE_FEED = "delta.enableChangeDataFeed"


def require_table(spark: "SparkSession", table: str, remedy: str) -> None:
    """Refuse to go on without a table.

    Args:
        spark: The session.
        table: Its full name.
        remedy: What brings it, as a sentence.

    Raises:
        TableMissingError: It is not there.
    """
    if not spark.catalog.tableExists(table):
        raise TableMissingError(table, remedy)


def require_readable(spark: "SparkSession", table: str, remedy: str) -> None:
    """Refuse to go on without a table that may be read.

    Args:
        spark: The session.
        table: Its full name.
        remedy: What brings it, as a sentence.

    Raises:
        TableMissingError: It is not there.
        TableUnreadableError: The platform does not let it be read, or cannot.
    """
    from pyspark.errors import PySparkException

    try:
        require_table(spark, table, remedy)
        # Read as far as to its columns: to see that a table exists takes no right to its rows.
        _ = spark.table(table).schema
    except PySparkException as error:
        raise TableUnreadableError(table, str(error).strip().rstrip("."), remedy) from error


def create_table(spark: "SparkSession", table: str, columns: str) -> None:
    """Make a table where none of that name is.

    Args:
        spark: The session.
        table: Its full name.
        columns: Names and types as DDL.
    """
    spark.sql(f"CREATE TABLE IF NOT EXISTS {table} ({columns}) USING DELTA")


def add_new_rows(spark: "SparkSession", table: str, rows: "DataFrame", keys: Sequence[str]) -> int:
    """Add the rows whose key the table does not have; touch no other.

    Args:
        spark: The session.
        table: Full name of a table that exists.
        rows: All its columns; keys are unique and never null.
        keys: The columns that tell rows apart.

    Returns:
        How many rows the table has gained. Two writers at once may count each other's.
    """
    before = count_rows(spark, table)
    rows.createOrReplaceTempView("new_rows")
    matched = " AND ".join(f"old.{key} = new.{key}" for key in keys)
    listed = ", ".join(rows.columns)
    values = ", ".join(f"new.{column}" for column in rows.columns)
    spark.sql(
        f"MERGE INTO {table} old USING new_rows new ON {matched} "
        f"WHEN NOT MATCHED THEN INSERT ({listed}) VALUES ({values})"
    )
    return count_rows(spark, table) - before


def count_rows(spark: "SparkSession", table: str) -> int:
    """Return a table's number of rows."""
    return int(spark.table(table).count())


def ensure_feature_table(
    lakehouse: Lakehouse,
    table: str,
    rows: "DataFrame",
    *,
    primary_keys: Sequence[str],
    timeseries_column: str | None,
    description: str,
    remedy: str,
) -> None:
    """Make a feature table where none of that name is, and refuse one of another shape.

    Args:
        lakehouse: The platform's clients.
        table: Its full name.
        rows: Primary keys and features, in their types.
        primary_keys: The columns that identify rows.
        timeseries_column: The one among them that says since when a row is known.
        description: What a row says.
        remedy: What to do with a table of another shape, as a sentence.

    Raises:
        SchemaChangedError: One of that name lacks a column, or has another key.
    """
    if is_feature_table(lakehouse, table):
        require_columns(lakehouse.spark, table, dict(rows.dtypes), remedy)
        require_key(lakehouse.workspace, table, primary_keys, remedy)
    else:
        lakehouse.feature_store.create_table(
            name=table,
            primary_keys=list(primary_keys),
            timeseries_column=timeseries_column,
            schema=rows.schema,
            description=description,
        )
    follow_changes(lakehouse, table)


def merge_features(
    lakehouse: Lakehouse, table: str, rows: "DataFrame", present: "DataFrame"
) -> int:
    """Add the rows that a feature table lacks; those that it has never change.

    Args:
        lakehouse: The platform's clients.
        table: Its full name.
        rows: Primary keys and features.
        present: The primary keys of the table's rows, at least of those that `rows` may hold.

    Returns:
        How many rows the table has gained.
    """
    before = count_rows(lakehouse.spark, table)
    new = rows.join(present, on=present.columns, how="left_anti")
    lakehouse.feature_store.write_table(name=table, df=new, mode="merge")
    return count_rows(lakehouse.spark, table) - before


def require_columns(
    spark: "SparkSession", table: str, columns: Mapping[str, str], remedy: str
) -> None:
    """Refuse a table that lacks columns or has them in other types.

    Args:
        spark: The session.
        table: Full name of a table that exists.
        columns: The columns it has to have, each with its Spark SQL type.
        remedy: What to do, as a sentence.

    Raises:
        SchemaChangedError: One is missing or of another type.
    """
    found = dict(spark.table(table).dtypes)
    # Spark has several names for a type: LONG is BIGINT.
    nulls = (f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns.items())
    wanted = spark.sql(f"SELECT {', '.join(nulls)}").dtypes
    off = [f"{name} {kind}" for name, kind in wanted if found.get(name) != kind]
    if off:
        has = ", ".join(f"{name} {kind}" for name, kind in found.items())
        raise SchemaChangedError(table, f"needs {', '.join(off)}", f"has {has}", remedy)


def require_key(
    workspace: WorkspaceClient, table: str, primary_keys: Sequence[str], remedy: str
) -> None:
    """Refuse a feature table of another primary key.

    Args:
        workspace: The workspace.
        table: Full name of a table that exists.
        primary_keys: The columns that identify its rows.
        remedy: What to do, as a sentence.

    Raises:
        SchemaChangedError: It has another.
    """
    for constraint in workspace.tables.get(table).table_constraints or []:
        key = constraint.primary_key_constraint
        if key is not None and sorted(key.child_columns) != sorted(primary_keys):
            wanted, found = ", ".join(primary_keys), ", ".join(key.child_columns)
            raise SchemaChangedError(table, f"needs the key {wanted}", f"has {found}", remedy)


def is_feature_table(lakehouse: Lakehouse, table: str) -> bool:
    """Tell whether a feature table is there whole.

    A call killed between making a table and declaring its key leaves one that is empty and has
    no key; it is dropped, so that it can be made again.
    """
    if not lakehouse.spark.catalog.tableExists(table):
        return False
    if lakehouse.workspace.tables.get(table).table_constraints:
        return True
    if count_rows(lakehouse.spark, table):
        raise LakehouseError(
            f"Table {table} has rows and no primary key, so it is no feature table of this job. "
            "Drop or rename it, then run feature_refresh again."
        )
    lakehouse.spark.sql(f"DROP TABLE {table}")
    return False


def follow_changes(lakehouse: Lakehouse, table: str) -> None:
    """Turn on the change data feed, through which the online store follows a table."""
    if (lakehouse.workspace.tables.get(table).properties or {}).get(CHANGE_FEED) != "true":
        lakehouse.spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('{CHANGE_FEED}' = 'true')")


def read_versions(workspace: WorkspaceClient, tables: Sequence[str]) -> Mapping[str, str]:
    """Return for each table its latest Delta version, as Unity Catalog has it."""
    versions = {}
    for table in tables:
        properties = workspace.tables.get(table).properties or {}
        versions[table] = properties.get("delta.lastUpdateVersion", "unknown")
    return versions


def delete_tables(workspace: WorkspaceClient, schema: str) -> Iterator[str]:
    """Delete every table of a schema, and name each as it goes; no schema, no tables.

    Args:
        workspace: The workspace.
        schema: Its name, with its catalog.
    """
    catalog, _, name = schema.partition(".")
    try:
        tables = [f"{schema}.{table.name}" for table in workspace.tables.list(catalog, name)]
    except NotFound:
        return
    for table in tables:
        with contextlib.suppress(NotFound):
            workspace.tables.delete(table)
        yield table
