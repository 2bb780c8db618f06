"""The table of what validation found, one row a check."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ..promotion.model_version import ModelVersion
from .tables import create_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RESULTS = "validation_results"
COLUMNS = (
    "model_name STRING, model_version INT, as_of TIMESTAMP, check_name STRING, value DOUBLE, "
    "threshold DOUBLE, ok BOOLEAN, detail STRING, job_run STRING, judged_at TIMESTAMP"
)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of one check.

    Attributes:
        check_name: What was checked.
        value: The figure found; None where there is none.
        threshold: The figure asked for; None where there is none.
        ok: Whether it holds.
        detail: One sentence for a person.
    """

    check_name: str
    value: float | None
    threshold: float | None
    ok: bool
    detail: str


def write_results(
    spark: "SparkSession",
    table: str,
    version: ModelVersion,
    results: Iterable[Result],
    *,
    job_run: str,
    judged_at: datetime,
) -> None:
    """Write what a run of the job found of a version, in place of what that run wrote before.

    Args:
        spark: The session.
        table: Full name of the table, which is made where it is missing.
        version: The version that was judged.
        results: What came of each check.
        job_run: Run of the job; letters, digits, dots, hyphens and underscores.
        judged_at: When it was judged.
    """
    create_table(spark, table, COLUMNS)
    rows = [
        (
            version.model,
            version.version,
            version.as_of,
            result.check_name,
            None if result.value is None else float(result.value),
            None if result.threshold is None else float(result.threshold),
            result.ok,
            result.detail,
            job_run,
            judged_at,
        )
        for result in results
    ]
    spark.createDataFrame(rows, COLUMNS).createOrReplaceTempView("found")
    # One statement, so that whoever reads sees the old checks or the new ones.
    spark.sql(
        f"INSERT INTO {table} REPLACE WHERE model_name = '{version.model}' "
        f"AND model_version = {version.version} AND job_run = '{job_run}' SELECT * FROM found"
    )
