"""Task: score the latest flights with the Champion, each once."""

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from ..lakehouse.context import Lakehouse
from ..lakehouse.errors import LakehouseError
from ..lakehouse.registry import read_aliases
from ..lakehouse.tables import add_new_rows, create_table, require_table
from ..lifecycle import CHAMPION
from ..problem.features import DECISION_AT
from ..problem.policy import load_policy
from ..problem.sources import KEY_TYPES, KEYS
from ..problem.spine import select_flights
from ..problem.split import reach_batch
from .parameters import FullName, Instant, Parameters, SchemaName, Text, in_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PREDICTIONS = "predictions"
IDENTITY = (*KEYS, "model_name", "model_version")
COLUMNS = {
    **KEY_TYPES,
    DECISION_AT: "TIMESTAMP",
    "prediction": "DOUBLE",
    "model_name": "STRING",
    "model_version": "INT",
    "scored_at": "TIMESTAMP",
}


class BatchParameters(Parameters):
    """What the task is told.

    Attributes:
        model: Full name of the registered model.
        source: Schema of the feature tables, with its catalog.
        target: Schema that takes the predictions, with its catalog.
        as_of: Exclusive instant up to which flights are scored.
        policy: Policy file under conf/.
    """

    model: FullName
    source: SchemaName
    target: SchemaName
    as_of: Instant
    policy: Text


def run(parameters: BatchParameters, lakehouse: Lakehouse) -> None:
    """Append a prediction for every flight of the window that this Champion has not scored."""
    champion = read_aliases(lakehouse.registry, parameters.model).get(CHAMPION)
    if champion is None:
        print(f"{parameters.model} has no {CHAMPION} yet: nothing is scored. Run model_training.")
        lakehouse.set_task_value("rows_added", 0)
        return
    window = reach_batch(parameters.as_of, load_policy(parameters.policy).windows)
    qualify = partial(in_schema, parameters.source)
    require_table(lakehouse.spark, qualify("flights"), "Run the job feature_refresh first.")
    flights = select_flights(lakehouse.spark, qualify, window)
    table = in_schema(parameters.target, PREDICTIONS)
    create_table(lakehouse.spark, table, ", ".join(f"{k} {v}" for k, v in COLUMNS.items()))
    scored = lakehouse.feature_store.score_batch(
        model_uri=f"models:/{parameters.model}@{CHAMPION}", df=flights, result_type="double"
    )
    rows = with_origin(scored, parameters.model, champion)
    if read_aliases(lakehouse.registry, parameters.model).get(CHAMPION) != champion:
        raise LakehouseError(
            f"{CHAMPION} of {parameters.model} moved while flights were scored: run the job again."
        )
    added = add_new_rows(lakehouse.spark, table, rows, IDENTITY)
    print(
        f"{table}: {added:,} predictions by version {champion} added, for flights decided {window}"
    )
    lakehouse.set_task_value("rows_added", added)
    lakehouse.set_task_value("model_version", champion)


def with_origin(scored: "DataFrame", model: str, version: int) -> "DataFrame":
    """Return the predictions with the model that made them and when."""
    from pyspark.sql import functions as F  # noqa: N812

    return scored.select(
        *KEYS,
        DECISION_AT,
        F.col("prediction").cast("double").alias("prediction"),
        F.lit(model).alias("model_name"),
        F.lit(version).cast("int").alias("model_version"),
        F.lit(datetime.now(UTC)).cast("timestamp").alias("scored_at"),
    )


def main() -> None:
    """Run the task from its command line."""
    run(BatchParameters.parse(), Lakehouse())
