"""The quarantine table: invalid rows, each with its reason."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from .tables import add_new_rows, create_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Whether the rest of the batch was written: valid rows were, or ingest wrote none.
LEFT_OUT = "left out"
REFUSED = "refused"

COLUMNS = {
    "source": "STRING NOT NULL",
    "row_key": "STRING NOT NULL",
    "reason": "STRING NOT NULL",
    "outcome": "STRING NOT NULL",
    "content": "STRING NOT NULL",
    "as_of": "TIMESTAMP",
    "first_seen": "TIMESTAMP",
}
SAME = ("source", "row_key", "reason", "outcome", "content")


def create_quarantine(spark: "SparkSession", table: str) -> None:
    """Create the table if it does not exist."""
    create_table(spark, table, ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items()))


def describe_bad_rows(
    checked: "DataFrame", source: str, outcome: str, as_of: datetime, seen: datetime
) -> "DataFrame":
    """Return the invalid rows as rows of the quarantine table.

    `checked` have `_reason`, `_key` and `_content`, and were read as of `as_of`; `outcome` is
    `LEFT_OUT` or `REFUSED`.
    """
    return checked.where("_reason <> ''").selectExpr(
        f"'{source}' AS source",
        "_key AS row_key",
        "_reason AS reason",
        f"'{outcome}' AS outcome",
        "_content AS content",
        f"TIMESTAMP '{as_of.isoformat()}' AS as_of",
        f"TIMESTAMP '{seen.isoformat()}' AS first_seen",
    )


def leave_out_known(spark: "SparkSession", table: str, rows: "DataFrame") -> "DataFrame":
    """Return the rows that the table does not have."""
    return rows.join(spark.table(table).select(*SAME), on=list(SAME), how="left_anti")


def keep_bad_rows(spark: "SparkSession", table: str, rows: "DataFrame") -> int:
    """Insert the rows that the table does not have, and return their number."""
    return add_new_rows(spark, table, rows.select(*COLUMNS), SAME)


def count_reasons(rows: "DataFrame") -> Mapping[str, tuple[int, str]]:
    """Return the row count and an example key for each reason, most frequent first."""
    counted = (
        rows.groupBy("reason")
        .agg({"reason": "count", "row_key": "min"})
        .toDF("reason", "rows", "example")
    )
    ordered = sorted(counted.collect(), key=lambda row: (-row.rows, row.reason))
    return {row.reason: (row.rows, row.example) for row in ordered}
