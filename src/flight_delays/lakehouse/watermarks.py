"""The table of watermarks: up to which instant each step has brought each table."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .tables import create_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

INGESTED, COMPUTED, PUBLISHED = "ingest", "features", "publish"
COLUMNS = "step STRING NOT NULL, table_name STRING NOT NULL, as_of TIMESTAMP NOT NULL"


def read_watermarks(spark: "SparkSession", table: str, step: str) -> Mapping[str, datetime]:
    """Return the instant up to which a step has brought each table; none where it never did.

    Args:
        spark: The session.
        table: Full name of the table of watermarks; it need not exist.
        step: `INGESTED`, `COMPUTED` or `PUBLISHED`.
    """
    # It is not made here: who reads another deployment's may write nothing there.
    if not spark.catalog.tableExists(table):
        return {}
    rows = spark.sql(
        f"SELECT table_name, unix_micros(as_of) AS micros FROM {table} WHERE step = :step",
        args={"step": step},
    ).collect()
    return {row.table_name: datetime.fromtimestamp(row.micros / 1e6, UTC) for row in rows}


def forget_watermark(spark: "SparkSession", table: str, step: str, name: str) -> None:
    """Forget up to where a step has brought a table, so that it does so again from the start."""
    if spark.catalog.tableExists(table):
        spark.sql(f"DELETE FROM {table} WHERE step = '{step}' AND table_name = '{name}'")


def advance_watermarks(
    spark: "SparkSession", table: str, step: str, names: Sequence[str], as_of: datetime
) -> None:
    """Record that a step has brought tables up to an instant; none goes back.

    Args:
        spark: The session.
        table: Full name of the table of watermarks, which is made where it is missing.
        step: `INGESTED`, `COMPUTED` or `PUBLISHED`.
        names: The tables, without their schema.
        as_of: The instant, UTC.
    """
    if not names:
        return
    create_table(spark, table, COLUMNS)
    listed = ", ".join(f"('{name}')" for name in names)
    spark.sql(
        f"MERGE INTO {table} old USING (SELECT '{step}' AS step, col1 AS table_name, "
        f"TIMESTAMP '{as_of.isoformat()}' AS as_of FROM VALUES {listed}) new "
        "ON old.step = new.step AND old.table_name = new.table_name "
        "WHEN MATCHED AND new.as_of > old.as_of THEN UPDATE SET as_of = new.as_of "
        "WHEN NOT MATCHED THEN INSERT (step, table_name, as_of) "
        "VALUES (new.step, new.table_name, new.as_of)"
    )
