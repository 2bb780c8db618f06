"""Task: score latest and upcoming rows with the Champion, each once."""

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from ..config.policy import load_policy
from ..lakehouse.context import Lakehouse
from ..lakehouse.errors import LakehouseError
from ..lakehouse.registry import find_champion, read_aliases
from ..lakehouse.tables import (
    add_columns,
    add_new_rows,
    create_table,
    require_columns,
    require_readable,
)
from ..problem import PROBLEM
from ..promotion.decide import CHAMPION
from ..spec.inference_log import PREDICTIONS, feature_types
from ..spec.problem import FEATURES_AT
from ..spec.selection import select_rows
from ..spec.windows import reach_batch
from .datasets import advise
from .parameters import FullName, Instant, Parameters, SchemaName, Text, in_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

IDENTITY = (*PROBLEM.keys, "model_name", "model_version")
COLUMNS = {
    **PROBLEM.keys,
    PROBLEM.spine.decision_at: "TIMESTAMP",
    FEATURES_AT: "TIMESTAMP",
    **feature_types(PROBLEM),
    "prediction": "DOUBLE",
    "model_name": "STRING",
    "model_version": "INT",
    "scored_at": "TIMESTAMP",
}
REMEDY = "Rename or delete the table, then run batch_inference: it creates the table again."


class BatchParameters(Parameters):
    """Parameters of the batch_inference task.

    Attributes:
        as_of: Exclusive instant up to which features are known; rows decided in the policy's hours
            after it are scored with the same features.
        scored_at: Start of the run, written to each prediction.
    """

    model: FullName
    source: SchemaName
    target: SchemaName
    as_of: Instant
    policy: Text
    scored_at: Instant


def run(parameters: BatchParameters, lakehouse: Lakehouse) -> None:
    """Append predictions for the window's rows that this Champion has not scored yet.

    Raises:
        SchemaChangedError: The table has the schema of another version of the project.
        LakehouseError: The Champion has not passed validation, or changed during the run.
    """
    champion = find_champion(lakehouse.registry, parameters.model)
    if champion is None:
        print(f"{parameters.model} has no {CHAMPION} yet: nothing is scored. Run model_training.")
        lakehouse.set_task_value("rows_added", 0)
        return
    window = reach_batch(
        parameters.as_of, load_policy(parameters.policy, PROBLEM.model_type).windows
    )
    qualify = partial(in_schema, parameters.source)
    source = qualify(PROBLEM.spine.source)
    require_readable(lakehouse.spark, source, advise(parameters.source, parameters.model))
    table = in_schema(parameters.target, PREDICTIONS)
    create_predictions(lakehouse.spark, table)
    decided = select_rows(lakehouse.spark, PROBLEM, qualify, window, known_by=parameters.as_of)
    rows = leave_out_scored(decided, lakehouse.spark, table, parameters.model, champion)
    lakehouse.set_task_value("model_version", champion)
    if rows.isEmpty():
        print(f"{table}: version {champion} has scored all rows decided {window}")
        lakehouse.set_task_value("rows_added", 0)
        return
    scored = lakehouse.feature_store.score_batch(
        model_uri=f"models:/{parameters.model}@{CHAMPION}", df=rows, result_type="double"
    )
    predictions = with_origin(scored, parameters.model, champion, parameters.scored_at)
    if read_aliases(lakehouse.registry, parameters.model).get(CHAMPION) != champion:
        raise LakehouseError(
            f"{CHAMPION} of {parameters.model} moved while rows were scored: run the job again."
        )
    added = add_new_rows(lakehouse.spark, table, predictions, IDENTITY)
    print(f"{table}: {added:,} predictions by version {champion} added, for rows decided {window}")
    lakehouse.set_task_value("rows_added", added)


def create_predictions(spark: "SparkSession", table: str) -> None:
    """Create the table of predictions if it does not exist, and add the columns of new features.

    Raises:
        SchemaChangedError: The table has the schema of another version of the project.
    """
    create_table(spark, table, ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items()))
    add_columns(spark, table, feature_types(PROBLEM))
    require_columns(spark, table, COLUMNS, REMEDY)


def leave_out_scored(
    rows: "DataFrame", spark: "SparkSession", table: str, model: str, version: int
) -> "DataFrame":
    """Return the rows without a prediction by a version."""
    keys = list(PROBLEM.keys)
    scored = spark.sql(
        f"SELECT {', '.join(keys)} FROM {table} "
        "WHERE model_name = :model AND model_version = :version",
        args={"model": model, "version": version},
    )
    return rows.join(scored, on=keys, how="left_anti")


def with_origin(scored: "DataFrame", model: str, version: int, scored_at: datetime) -> "DataFrame":
    """Return predictions with their inputs, model, version and time of scoring."""
    from pyspark.sql import functions as F  # noqa: N812

    return scored.select(
        *PROBLEM.keys,
        PROBLEM.spine.decision_at,
        FEATURES_AT,
        *(F.col(name).cast(kind).alias(name) for name, kind in feature_types(PROBLEM).items()),
        F.col("prediction").cast("double").alias("prediction"),
        F.lit(model).alias("model_name"),
        F.lit(version).cast("int").alias("model_version"),
        F.lit(scored_at).cast("timestamp").alias("scored_at"),
    )


def main() -> None:
    """Run the task from its command line."""
    run(BatchParameters.parse(), Lakehouse())
