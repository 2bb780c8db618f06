"""Task: bring the source tables up to what is known before `as_of`."""

from ..lakehouse.context import Lakehouse
from ..lakehouse.tables import add_new_rows, count_rows, create_table
from ..problem import PROBLEM
from .parameters import Instant, Parameters, SchemaName


class IngestParameters(Parameters):
    """What ingest is told.

    Attributes:
        target: Schema that takes the tables, with its catalog.
        as_of: Exclusive instant up to which things are known.
        shift_days: Days by which the dates of sample data are moved.
    """

    target: SchemaName
    as_of: Instant
    shift_days: int


def run(parameters: IngestParameters, lakehouse: Lakehouse) -> None:
    """Add the rows that have become known; those that stand are left as they are."""
    lakehouse.set_task_value("as_of", parameters.as_of.isoformat())
    added = 0
    for source in PROBLEM.sources:
        table = f"{parameters.target}.{source.name}"
        create_table(lakehouse.spark, table, source.schema)
        known = source.read(lakehouse.spark, parameters.as_of, parameters.shift_days)
        rows = known.select(*source.columns)
        new = add_new_rows(lakehouse.spark, table, rows, source.primary_keys)
        print(f"{source.name}: {count_rows(lakehouse.spark, table):,} rows known, {new:,} new")
        added += new
    lakehouse.set_task_value("rows_added", added)


def main() -> None:
    """Run the task from its command line."""
    run(IngestParameters.parse(), Lakehouse())
