"""The table of results of integration and load tests, one row a test.

The tests run outside of jobs and write by SQL; the task `collect` also creates the table, since the
dashboard reads it.
"""

from typing import TYPE_CHECKING

from .tables import create_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RESULTS = "test_results"
# Columns of a test; those of its run follow.
MEASURED = (
    "suite STRING, test_name STRING, outcome STRING, seconds DOUBLE, value DOUBLE, "
    "threshold DOUBLE, detail STRING"
)
COLUMNS = f"{MEASURED}, test_run STRING, git_commit STRING, tested_at TIMESTAMP"


def create_results(spark: "SparkSession", table: str) -> None:
    """Create the table if it does not exist."""
    create_table(spark, table, COLUMNS)
