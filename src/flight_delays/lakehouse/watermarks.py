"""The table of watermarks: the instant up to which each step has processed each table."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .tables import create_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

INGESTED, COMPUTED, PUBLISHED = "ingest", "features", "publish"
COLUMNS = "step STRING NOT NULL, table_name STRING NOT NULL, as_of TIMESTAMP NOT NULL"


def read_watermarks(spark: "SparkSession", table: str, step: str) -> Mapping[str, datetime]:
    """Return a step's watermark of each table; tables without a watermark are left out.

    The table need not exist; `step` is `INGESTED`, `COMPUTED` or `PUBLISHED`.
    """
    # Not created here: another deployment's schema is read-only.
    if not spark.catalog.tableExists(table):
        return {}
    rows = spark.sql(
        f"SELECT table_name, unix_micros(as_of) AS micros FROM {table} WHERE step = :step",
        args={"step": step},
    ).collect()
    return {row.table_name: datetime.fromtimestamp(row.micros / 1e6, UTC) for row in rows}


def forget_watermark(spark: "SparkSession", table: str, step: str, name: str) -> None:
    """Delete a table's watermark, so that the step starts from the beginning."""
    if spark.catalog.tableExists(table):
        spark.sql(f"DELETE FROM {table} WHERE step = '{step}' AND table_name = '{name}'")


def advance_watermarks(
    spark: "SparkSession", table: str, step: str, names: Sequence[str], as_of: datetime
) -> None:
    """Advance a step's watermarks of tables to an instant; no watermark goes back.

    The table is created if it does not exist; `names` are without their schema.
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
