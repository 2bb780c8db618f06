"""Tables: what is missing is made, what is new is added, what stands is left."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from databricks.sdk import WorkspaceClient

from .errors import TableMissingError

if TYPE_CHECKING:
    from databricks.feature_engineering import FeatureEngineeringClient
    from pyspark.sql import DataFrame, SparkSession


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


def write_features(
    spark: "SparkSession",
    feature_store: "FeatureEngineeringClient",
    table: str,
    rows: "DataFrame",
    *,
    primary_keys: Sequence[str],
    timeseries_column: str | None,
    description: str,
) -> int:
    """Merge the rows that a feature table lacks, making the table first where it is missing.

    A feature row never changes once known, so those that stand are not written again.

    Args:
        spark: The session.
        feature_store: The feature engineering client.
        table: Its full name.
        rows: Primary keys and features.
        primary_keys: The columns that tell rows apart.
        timeseries_column: The one among them that says since when a row is known.
        description: What a row says.

    Returns:
        How many rows the table has gained.
    """
    if not spark.catalog.tableExists(table):
        feature_store.create_table(
            name=table,
            primary_keys=list(primary_keys),
            timeseries_column=timeseries_column,
            schema=rows.schema,
            description=description,
        )
        # The online store follows a table through its change data feed.
        spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')")
    before = count_rows(spark, table)
    present = spark.table(table).select(*primary_keys)
    new = rows.join(present, on=list(primary_keys), how="left_anti")
    feature_store.write_table(name=table, df=new, mode="merge")
    return count_rows(spark, table) - before


def read_versions(workspace: WorkspaceClient, tables: Sequence[str]) -> Mapping[str, str]:
    """Return for each table its latest Delta version, as Unity Catalog has it."""
    versions = {}
    for table in tables:
        properties = workspace.tables.get(table).properties or {}
        versions[table] = properties.get("delta.lastUpdateVersion", "unknown")
    return versions
