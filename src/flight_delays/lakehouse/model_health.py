"""The table of verdicts on the Champion, one row an assessment."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..monitoring.verdicts import Verdict
from .tables import create_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HEALTH = "model_health"
COLUMNS = (
    "assessed_at TIMESTAMP, model_name STRING, model_version STRING, verdict STRING, "
    "reason STRING, figures STRING, window_start TIMESTAMP, window_end TIMESTAMP, job_run STRING"
)


def create_health(spark: "SparkSession", table: str) -> None:
    """Create the table if it does not exist, so that alert and dashboard can read it."""
    create_table(spark, table, COLUMNS)


def read_verdict(
    spark: "SparkSession", table: str, job_run: str
) -> tuple[str, str, datetime] | None:
    """Return verdict, reason and instant that a run of the job wrote; None if it wrote none."""
    found = spark.sql(
        f"SELECT verdict, reason, unix_micros(assessed_at) AS micros FROM {table} "
        "WHERE job_run = :run",
        args={"run": job_run},
    ).first()
    if found is None:
        return None
    return found["verdict"], found["reason"], datetime.fromtimestamp(found["micros"] / 1e6, UTC)


def write_health(
    spark: "SparkSession",
    table: str,
    verdict: Verdict,
    *,
    model: str,
    version: int,
    assessed_at: datetime,
    window: tuple[datetime, datetime] | None,
    job_run: str,
) -> None:
    """Write the verdict of a run of the job, in place of an earlier one of the same run.

    Args:
        spark: The session.
        table: Full name of the table, which exists.
        verdict: The verdict.
        model: Full name of the model.
        version: Version of its Champion.
        assessed_at: Time of the assessment.
        window: The newest window of the log.
        job_run: Run of the job; letters, digits, dots, hyphens and underscores.
    """
    figures = json.dumps([asdict(figure) for figure in verdict.figures])
    start, end = window or (None, None)
    named = (assessed_at, model, str(version), verdict.label, verdict.reason, figures)
    row = (*named, start, end, job_run)
    spark.createDataFrame([row], COLUMNS).createOrReplaceTempView("assessed")
    # Atomic: readers see one verdict for each run.
    spark.sql(f"INSERT INTO {table} REPLACE WHERE job_run = '{job_run}' SELECT * FROM assessed")
