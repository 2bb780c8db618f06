"""The table of test results: what integration and load tests of the target found, one row a test.

The tests run outside of jobs and write by SQL; the task `collect` makes the table, too, since the
dashboard reads it.
"""

from typing import TYPE_CHECKING

from .tables import create_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RESULTS = "test_results"
# What a test says of itself, then which run it was part of.
MEASURED = (
    "suite STRING, test_name STRING, outcome STRING, seconds DOUBLE, value DOUBLE, "
    "threshold DOUBLE, detail STRING"
)
COLUMNS = f"{MEASURED}, test_run STRING, git_commit STRING, tested_at TIMESTAMP"


def create_results(spark: "SparkSession", table: str) -> None:
    """Make the table where it is missing."""
    create_table(spark, table, COLUMNS)
