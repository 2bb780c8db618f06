"""Delta tables: create, extend, upsert and check them."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound

from .context import Lakehouse
from .errors import SchemaChangedError, TableMissingError, TableUnreadableError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Table property: added columns that have no values yet.
TO_FILL = "columns_to_fill"


def require_table(spark: "SparkSession", table: str, remedy: str) -> None:
    """Check that a table exists; `remedy` says how to create it, as a sentence.

    Raises:
        TableMissingError: It does not exist.
    """
    if not spark.catalog.tableExists(table):
        raise TableMissingError(table, remedy)


def require_readable(spark: "SparkSession", table: str, remedy: str) -> None:
    """Check as `require_table` does, and that the table may be read.

    Raises:
        TableMissingError: It does not exist.
        TableUnreadableError: It may not be read, or reading it failed.
    """
    from pyspark.errors import PySparkException

    try:
        require_table(spark, table, remedy)
        # Read the schema: `tableExists` does not require SELECT.
        _ = spark.table(table).schema
    except PySparkException as error:
        raise TableUnreadableError(table, str(error).strip().rstrip("."), remedy) from error


def create_table(
    spark: "SparkSession", table: str, columns: str, properties: Mapping[str, str] | None = None
) -> None:
    """Create a table if it does not exist; `columns` are names and types as DDL."""
    listed = ", ".join(f"'{key}' = '{value}'" for key, value in (properties or {}).items())
    having = f" TBLPROPERTIES ({listed})" if listed else ""
    spark.sql(f"CREATE TABLE IF NOT EXISTS {table} ({columns}) USING DELTA{having}")


def add_new_rows(spark: "SparkSession", table: str, rows: "DataFrame", keys: Sequence[str]) -> int:
    """Insert the rows whose key a table does not have.

    `rows` have all columns of the existing table; their keys are unique and never null.

    Returns:
        The number of inserted rows; it may include those of a concurrent writer.
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


def add_columns(spark: "SparkSession", table: str, columns: Mapping[str, str]) -> None:
    """Add the missing columns of a table, each with its Spark SQL type."""
    there = dict(spark.table(table).dtypes)
    new = sorted(columns.keys() - there.keys())
    if new:
        # Merge the schema of an empty DataFrame, which works on every engine. It does not read the
        # table, whose schema changes by the write.
        kinds = {**there, **{name: columns[name] for name in new}}
        none = spark.range(0).selectExpr(
            *(f"CAST(NULL AS {kind}) AS {name}" for name, kind in kinds.items())
        )
        none.write.format("delta").option("mergeSchema", "true").mode("append").saveAsTable(table)


def add_columns_to_fill(
    lakehouse: Lakehouse, table: str, columns: Mapping[str, str]
) -> Sequence[str]:
    """Add the missing columns of a table, and return the columns that have no values yet.

    A table property lists them until `mark_filled` is called, so that they are filled even if a run
    is killed.
    """
    waiting = read_properties(lakehouse.workspace, table).get(TO_FILL, "").split(",")
    new = columns.keys() - lakehouse.spark.table(table).columns
    to_fill = [name for name in columns if name in new.union(waiting)]
    if new:
        set_property(lakehouse.spark, table, TO_FILL, ",".join(to_fill))
        add_columns(lakehouse.spark, table, columns)
    return to_fill


def fill_columns(
    spark: "SparkSession", table: str, rows: "DataFrame", keys: Sequence[str], names: Sequence[str]
) -> None:
    """Update columns of existing rows."""
    rows.createOrReplaceTempView("filled_rows")
    matched = " AND ".join(f"old.{key} = new.{key}" for key in keys)
    values = ", ".join(f"{name} = new.{name}" for name in names)
    spark.sql(
        f"MERGE INTO {table} old USING filled_rows new ON {matched} "
        f"WHEN MATCHED THEN UPDATE SET {values}"
    )


def mark_filled(spark: "SparkSession", table: str) -> None:
    """Record that all added columns of a table have values."""
    set_property(spark, table, TO_FILL, "")


def count_rows(spark: "SparkSession", table: str) -> int:
    """Return a table's number of rows."""
    return int(spark.table(table).count())


def require_columns(
    spark: "SparkSession", table: str, columns: Mapping[str, str], remedy: str
) -> None:
    """Check that a table has columns of the given types.

    `columns` has Spark SQL types by name; `remedy` says what to do, as a sentence.

    Raises:
        SchemaChangedError: A column is missing or of another type.
    """
    found = dict(spark.table(table).dtypes)
    # Spark has several names for a type: LONG is BIGINT.
    nulls = (f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns.items())
    wanted = spark.sql(f"SELECT {', '.join(nulls)}").dtypes
    off = [f"{name} {kind}" for name, kind in wanted if found.get(name) != kind]
    if off:
        has = ", ".join(f"{name} {kind}" for name, kind in found.items())
        raise SchemaChangedError(table, f"needs {', '.join(off)}", f"has {has}", remedy)


def read_properties(workspace: WorkspaceClient, table: str) -> Mapping[str, str]:
    """Return a table's properties."""
    return workspace.tables.get(table).properties or {}


def set_property(spark: "SparkSession", table: str, key: str, value: str) -> None:
    """Set a property of a table."""
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('{key}' = '{value}')")


def read_versions(workspace: WorkspaceClient, tables: Sequence[str]) -> Mapping[str, str]:
    """Return the latest Delta version of each table, from Unity Catalog."""
    versions = {}
    for table in tables:
        found = read_properties(workspace, table)
        versions[table] = found.get("delta.lastUpdateVersion", "unknown")
    return versions


def delete_tables(workspace: WorkspaceClient, schema: str) -> Iterator[str]:
    """Delete all tables of a schema, and yield their names; the schema need not exist."""
    catalog, _, name = schema.partition(".")
    try:
        tables = [f"{schema}.{table.name}" for table in workspace.tables.list(catalog, name)]
    except NotFound:
        return
    for table in tables:
        with contextlib.suppress(NotFound):
            workspace.tables.delete(table)
        yield table
