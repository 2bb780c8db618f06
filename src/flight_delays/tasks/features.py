"""Task: bring the feature tables up to `as_of`, from the source tables."""

from datetime import datetime
from functools import partial

from ..config.data_quality import load_data_quality
from ..lakehouse.context import Lakehouse
from ..lakehouse.tables import ensure_feature_table, merge_features, require_table
from ..lakehouse.watermarks import COMPUTED, advance_watermarks, read_watermarks
from ..problem import PROBLEM
from ..spec.tables import WATERMARKS, FeatureTable, Qualify
from .parameters import Instant, Parameters, SchemaName, Text, in_schema

REMEDY = (
    "Delete the table, and its online table where it has one, then run feature_refresh: it "
    "computes the table from the start. docs/features.md has the commands."
)


class FeatureParameters(Parameters):
    """Parameters of the features task.

    Attributes:
        target: Schema of the tables, with its catalog.
        as_of: Exclusive instant up to which things are known.
        schedule: Quartz expression by which the job runs, in UTC.
    """

    target: SchemaName
    as_of: Instant
    schedule: Text


def run(parameters: FeatureParameters, lakehouse: Lakehouse) -> None:
    """Compute what became known since the last run, and merge the rows that each table lacks.

    Raises:
        DeclarationError: The job runs too seldom for what the problem declares.
    """
    PROBLEM.refresh.require_schedule(parameters.schedule)
    spark, qualify = lakehouse.spark, partial(in_schema, parameters.target)
    for source in PROBLEM.sources:
        require_table(spark, qualify(source.name), "Run the task ingest first.")
    watermarks = read_watermarks(spark, qualify(WATERMARKS), COMPUTED)
    limits = load_data_quality([source.name for source in PROBLEM.sources])
    added = 0
    for table in PROBLEM.feature_tables:
        there = spark.catalog.tableExists(qualify(table.name))
        since = limits.read_from(watermarks.get(table.name) if there else None)
        new = refresh_table(table, qualify, since, parameters.as_of, lakehouse)
        print(f"{table.name}: {new:,} new rows")
        added += new
    names = [table.name for table in PROBLEM.feature_tables]
    advance_watermarks(spark, qualify(WATERMARKS), COMPUTED, names, parameters.as_of)
    lakehouse.set_task_value("rows_added", added)


def refresh_table(
    table: FeatureTable, qualify: Qualify, since: datetime, as_of: datetime, lakehouse: Lakehouse
) -> int:
    """Add the rows that became known from `since` on, and return how many a table has gained."""
    spark, name = lakehouse.spark, qualify(table.name)
    rows = table.compute(spark, qualify, since, as_of)
    ensure_feature_table(
        lakehouse,
        name,
        rows,
        primary_keys=table.primary_keys,
        timeseries_column=table.timeseries_column,
        description=table.description,
        remedy=REMEDY,
    )
    present = spark.table(name)
    if table.timeseries_column is not None:
        present = present.where(f"{table.timeseries_column} >= TIMESTAMP '{since.isoformat()}'")
    present = present.select(*table.primary_keys)
    added = merge_features(lakehouse, name, rows, present)
    if table.lookback is not None:
        expired = table.expire(spark, name, since, as_of)
        if not expired.isEmpty():
            added += merge_features(lakehouse, name, expired, present)
    return added


def main() -> None:
    """Run the task from its command line."""
    run(FeatureParameters.parse(), Lakehouse())
