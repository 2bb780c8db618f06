"""The table of rollout decisions, one row each."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from .tables import create_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

STEPS = "rollout_steps"
COLUMNS = (
    "model_name STRING, model_version STRING, champion STRING, share INT, decided_at TIMESTAMP, "
    "decision STRING, reason STRING, figures STRING, former STRING, job_run STRING"
)


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
    """Write a decision, in place of the same decision of a killed run.

    Args:
        spark: The session.
        table: Full name of the table; it is created if it does not exist.
        model: Full name of the model.
        version: The version that is rolled out.
        champion: The Champion.
        share: Percentage of the version's traffic.
        decided_at: Time of the decision.
        decision: The decision.
        reason: Its reason.
        figures: Its figures.
        former: The endpoint's former configuration, for a manual rollback.
        job_run: Run of the job.
    """
    create_table(spark, table, COLUMNS)
    written = json.dumps(figures, default=str)
    row = (model, str(version), str(champion), share, decided_at, decision, reason, written)
    spark.createDataFrame([(*row, former, job_run)], COLUMNS).createOrReplaceTempView("decided")
    spark.sql(
        f"INSERT INTO {table} REPLACE WHERE model_version = '{version}' AND share = {share} "
        f"AND decision = '{decision}' SELECT * FROM decided"
    )
