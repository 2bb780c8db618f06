"""The table of validation results, one row a check."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from ..promotion.checks import Check
from ..promotion.model_version import ModelVersion
from .tables import create_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RESULTS = "validation_results"
COLUMNS = (
    "model_name STRING, model_version INT, as_of TIMESTAMP, check_name STRING, value DOUBLE, "
    "threshold DOUBLE, ok BOOLEAN, detail STRING, job_run STRING, judged_at TIMESTAMP"
)


def create_results(spark: "SparkSession", table: str) -> None:
    """Create the table if it does not exist, so that the dashboard can read it."""
    create_table(spark, table, COLUMNS)


def write_results(
    spark: "SparkSession",
    table: str,
    version: ModelVersion,
    checks: Iterable[Check],
    *,
    job_run: str,
    judged_at: datetime,
) -> None:
    """Write the checks of a version, in place of earlier ones of the same job run.

    Args:
        spark: The session.
        table: Full name of the table; it is created if it does not exist.
        version: The validated version.
        checks: All checks of the validation.
        job_run: Run of the job; letters, digits, dots, hyphens and underscores.
        judged_at: Time of the validation.
    """
    create_results(spark, table)
    rows = [
        (
            version.model,
            version.version,
            version.as_of,
            check.name,
            None if check.value is None else float(check.value),
            None if check.threshold is None else float(check.threshold),
            check.ok,
            check.detail,
            job_run,
            judged_at,
        )
        for check in checks
    ]
    spark.createDataFrame(rows, COLUMNS).createOrReplaceTempView("found")
    # Atomic: readers see the old checks or the new ones.
    spark.sql(
        f"INSERT INTO {table} REPLACE WHERE model_name = '{version.model}' "
        f"AND model_version = {version.version} AND job_run = '{job_run}' SELECT * FROM found"
    )
