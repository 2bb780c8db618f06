"""Task: profile the inference log against the rows that the Champion was validated on."""

from functools import partial
from typing import TYPE_CHECKING

from databricks.sdk.service.dataquality import (
    AggregationGranularity,
    DataProfilingConfig,
    DataProfilingCustomMetric,
    DataProfilingCustomMetricType,
    InferenceLogConfig,
    InferenceProblemType,
)

from ..config.monitoring import Granularity, load_monitoring
from ..config.policy import Policy, load_policy
from ..lakehouse.context import Lakehouse
from ..lakehouse.errors import LakehouseError
from ..lakehouse.inference_log import create_log
from ..lakehouse.monitor import ensure_monitor, refresh_monitor
from ..lakehouse.registry import read_aliases
from ..problem import PROBLEM
from ..promotion.decide import CHAMPION
from ..spec.inference_log import BASELINE, LABEL, LABELLED, VALIDATED, labelled_columns
from .parameters import FullName, Parameters, SchemaName, Text, in_schema

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COST = "cost"
GRANULARITIES = {
    "day": AggregationGranularity.AGGREGATION_GRANULARITY_1_DAY,
    "week": AggregationGranularity.AGGREGATION_GRANULARITY_1_WEEK,
    "month": AggregationGranularity.AGGREGATION_GRANULARITY_1_MONTH,
}


class MonitorParameters(Parameters):
    """Parameters of the monitor task."""

    model: FullName
    target: SchemaName
    policy: Text


def run(parameters: MonitorParameters, lakehouse: Lakehouse) -> None:
    """Configure the monitor, and refresh it.

    Raises:
        LakehouseError: The Champion has no baseline rows, or profiling fails.
    """
    qualify = partial(in_schema, parameters.target)
    champion = read_aliases(lakehouse.registry, parameters.model).get(CHAMPION)
    create_log(lakehouse.spark, PROBLEM, qualify)
    table = qualify(LABELLED)
    if champion is None:
        print(f"{parameters.model} has no {CHAMPION} yet: nothing is measured. Run model_training.")
        return
    replace_baseline(lakehouse.spark, qualify(VALIDATED), qualify(BASELINE), champion)
    policy = load_policy(parameters.policy, PROBLEM.model_type)
    granularity = load_monitoring("monitoring", PROBLEM.model_type).windows.granularity
    catalog_schema = lakehouse.workspace.schemas.get(parameters.target)
    config = describe_monitor(
        catalog_schema.schema_id or "", qualify(BASELINE), policy, granularity
    )
    tables = ensure_monitor(lakehouse.workspace, table, config)
    refresh = refresh_monitor(lakehouse.workspace, table)
    print(f"refresh {refresh.refresh_id} has written {tables.profile} and, as far as there is")
    print(f"anything to compare, {tables.drift}")


def replace_baseline(spark: "SparkSession", validated: str, baseline: str, champion: int) -> None:
    """Replace the baseline by the rows that the Champion was validated on.

    Raises:
        LakehouseError: There are no such rows.
    """
    there = {
        row[0] for row in spark.sql(f"SELECT DISTINCT model_version FROM {baseline}").collect()
    }
    if there == {str(champion)}:
        return
    rows = f"SELECT * FROM {validated} WHERE model_version = '{champion}'"
    if not spark.catalog.tableExists(validated) or spark.sql(rows).isEmpty():
        raise LakehouseError(
            f"{validated} has no rows of version {champion}, the {CHAMPION}: it was validated by "
            "an earlier version of this project. Run model_training, or validate it again."
        )
    listed = ", ".join(spark.table(baseline).columns)
    # Atomic: readers never find it empty.
    spark.sql(
        f"INSERT OVERWRITE {baseline} SELECT {listed} FROM {validated} "
        f"WHERE model_version = '{champion}'"
    )
    print(f"{baseline} has the rows that version {champion} was validated on")


def describe_monitor(
    schema_id: str, baseline: str, policy: Policy, granularity: Granularity
) -> DataProfilingConfig:
    """Return the monitor's configuration: windows, model version, slices and a cost metric."""
    is_class = PROBLEM.model_type.labels is not None
    problem_type = (
        InferenceProblemType.INFERENCE_PROBLEM_TYPE_CLASSIFICATION
        if is_class
        else InferenceProblemType.INFERENCE_PROBLEM_TYPE_REGRESSION
    )
    wanted = policy.validation.slice_columns
    slices = [name for name in wanted if name in labelled_columns(PROBLEM)]
    if left_out := sorted(set(wanted) - set(slices)):
        print(f"not measured by {', '.join(left_out)}: the log has no such column")
    return DataProfilingConfig(
        output_schema_id=schema_id,
        baseline_table_name=baseline,
        slicing_exprs=slices or None,
        custom_metrics=[
            DataProfilingCustomMetric(
                type=DataProfilingCustomMetricType.DATA_PROFILING_CUSTOM_METRIC_TYPE_AGGREGATE,
                name=COST,
                input_columns=[":table"],
                definition=write_cost(policy),
                # With any other format the monitor stays uninitialised, without an error.
                output_data_type='{"name":"output","type":"double","nullable":true,"metadata":{}}',
            )
        ],
        inference_log=InferenceLogConfig(
            problem_type=problem_type,
            timestamp_column="scored_at",
            granularities=[GRANULARITIES[granularity]],
            prediction_column="prediction",
            model_id_column="model_version",
            label_column=LABEL,
        ),
        skip_builtin_dashboard=True,
    )


def write_cost(policy: Policy) -> str:
    """Return SQL for the mean cost of a prediction whose label is known."""
    if PROBLEM.model_type.labels is None:
        return "avg(abs({{prediction_col}} - {{label_col}}))"
    costs = policy.validation.costs
    false_alarm, missed = (costs.false_alarm, costs.missed) if costs else (1.0, 1.0)
    return (
        "avg(CASE WHEN {{label_col}} IS NULL THEN NULL "
        # Without the suffix D these are decimals, and so is their mean.
        "WHEN {{prediction_col}} = {{label_col}} THEN 0.0D "
        f"WHEN {{{{prediction_col}}}} = '1' THEN {false_alarm!r}D ELSE {missed!r}D END)"
    )


def main() -> None:
    """Run the task from its command line."""
    run(MonitorParameters.parse(), Lakehouse())
