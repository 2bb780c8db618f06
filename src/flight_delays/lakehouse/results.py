"""Tables of results: checks of validations, verdicts on the Champion, tests, roll-out decisions."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..monitoring.verdicts import Verdict
from ..promotion.checks import Check
from ..promotion.model_version import ModelVersion
from ..spec.tables import Qualify
from .tables import create_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

VALIDATIONS, HEALTH = "validation_results", "model_health"
TESTS, STEPS = "test_results", "rollout_steps"
# Columns of a test; those of its run follow. The tests run outside of jobs and write by SQL.
MEASURED = (
    "suite STRING, test_name STRING, outcome STRING, seconds DOUBLE, value DOUBLE, "
    "threshold DOUBLE, detail STRING"
)
# The columns of each table, as DDL.
COLUMNS = {
    VALIDATIONS: "model_name STRING, model_version INT, as_of TIMESTAMP, check_name STRING, "
    "value DOUBLE, threshold DOUBLE, ok BOOLEAN, detail STRING, job_run STRING, "
    "judged_at TIMESTAMP",
    HEALTH: "assessed_at TIMESTAMP, model_name STRING, model_version STRING, verdict STRING, "
    "reason STRING, figures STRING, window_start TIMESTAMP, window_end TIMESTAMP, job_run STRING",
    TESTS: f"{MEASURED}, test_run STRING, git_commit STRING, tested_at TIMESTAMP",
    STEPS: "model_name STRING, model_version STRING, champion STRING, share INT, "
    "decided_at TIMESTAMP, decision STRING, reason STRING, figures STRING, former STRING, "
    "job_run STRING",
}


def create_results(spark: "SparkSession", qualify: Qualify) -> None:
    """Create the missing tables that alert and dashboard read, also while they are empty."""
    for name in (VALIDATIONS, HEALTH, TESTS):
        create_table(spark, qualify(name), COLUMNS[name])


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

    The table is created if it does not exist. A `job_run` has letters, digits, dots, hyphens and
    underscores only.
    """
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
    replaced = (
        f"model_name = '{version.model}' AND model_version = {version.version} "
        f"AND job_run = '{job_run}'"
    )
    _replace_rows(spark, table, VALIDATIONS, rows, replaced)


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

    `window` is the newest window of the log; `job_run` is as in `write_results`.
    """
    figures = json.dumps([asdict(figure) for figure in verdict.figures])
    start, end = window or (None, None)
    named = (assessed_at, model, str(version), verdict.label, verdict.reason, figures)
    _replace_rows(spark, table, HEALTH, [(*named, start, end, job_run)], f"job_run = '{job_run}'")


def write_step(
    spark: "SparkSession",
    table: str,
    *,
    model: str,
    version: int,
    champion: int,
    share: int,
    decided_at: datetime,
    decision: str,
    reason: str,
    figures: Sequence[Mapping[str, object]],
    former: str,
    job_run: str,
) -> None:
    """Write a decision of a roll-out, in place of the same decision of a killed run.

    The table is created if it does not exist. `share` is the version's percentage of the traffic;
    `former` the endpoint's former configuration, for a manual rollback.
    """
    written = json.dumps(figures, default=str)
    row = (model, str(version), str(champion), share, decided_at, decision, reason, written)
    replaced = f"model_version = '{version}' AND share = {share} AND decision = '{decision}'"
    _replace_rows(spark, table, STEPS, [(*row, former, job_run)], replaced)


def _replace_rows(
    spark: "SparkSession", table: str, name: str, rows: Sequence[tuple[Any, ...]], replaced: str
) -> None:
    """Write rows in place of others at once, so that readers see the old ones or the new ones."""
    create_table(spark, table, COLUMNS[name])
    spark.createDataFrame(rows, COLUMNS[name]).createOrReplaceTempView("new_results")
    spark.sql(f"INSERT INTO {table} REPLACE WHERE {replaced} SELECT * FROM new_results")
