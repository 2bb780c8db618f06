"""Task: bring the feature tables up to `as_of`, from the source tables."""

from functools import partial

from ..lakehouse.context import Lakehouse
from ..lakehouse.tables import require_table, write_features
from ..problem import PROBLEM
from .parameters import Instant, Parameters, SchemaName, in_schema


class FeatureParameters(Parameters):
    """What the task is told.

    Attributes:
        target: Schema of the tables, with its catalog.
        as_of: Exclusive instant up to which things are known.
    """

    target: SchemaName
    as_of: Instant


def run(parameters: FeatureParameters, lakehouse: Lakehouse) -> None:
    """Compute every feature table and merge the rows it lacks."""
    qualify = partial(in_schema, parameters.target)
    for source in PROBLEM.sources:
        require_table(lakehouse.spark, qualify(source.name), "Run the task ingest first.")
    added = 0
    for table in PROBLEM.feature_tables:
        new = write_features(
            lakehouse,
            qualify(table.name),
            table.compute(lakehouse.spark, qualify, parameters.as_of),
            primary_keys=table.primary_keys,
            timeseries_column=table.timeseries_column,
            description=table.description,
        )
        print(f"{table.name}: {new:,} new rows")
        added += new
    lakehouse.set_task_value("rows_added", added)


def main() -> None:
    """Run the task from its command line."""
    run(FeatureParameters.parse(), Lakehouse())
