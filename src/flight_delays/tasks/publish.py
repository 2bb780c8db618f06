"""Task: publish the feature tables to the online store when they are due."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from ..lakehouse.context import Lakehouse
from ..lakehouse.errors import LakehouseError
from ..lakehouse.online_store import online_name, publish_features, read_sync
from ..lakehouse.tables import require_table
from ..lakehouse.watermarks import COMPUTED, PUBLISHED, advance_watermarks, read_watermarks
from ..problem import PROBLEM
from ..spec.tables import WATERMARKS, FeatureTable, Qualify
from .parameters import Parameters, SchemaName, in_schema


class PublishParameters(Parameters):
    """Parameters of the publish task."""

    target: SchemaName
    online_store: str


def run(parameters: PublishParameters, lakehouse: Lakehouse) -> None:
    """Publish the latest row of each key as of the tables' watermarks.

    Raises:
        LakehouseError: A table has no watermark.
    """
    spark, qualify = lakehouse.spark, partial(in_schema, parameters.target)
    for table in PROBLEM.feature_tables:
        require_table(spark, qualify(table.name), "Run the task features first.")
    computed = read_watermarks(spark, qualify(WATERMARKS), COMPUTED)
    if missing := [table.name for table in PROBLEM.feature_tables if table.name not in computed]:
        raise LakehouseError(
            f"{qualify(WATERMARKS)} has no computed watermark of {', '.join(missing)}. "
            "Run feature_refresh."
        )
    published = read_watermarks(spark, qualify(WATERMARKS), PUBLISHED)
    due = [
        table
        for table in PROBLEM.feature_tables
        if is_due(table, computed[table.name], published.get(table.name))
        or read_sync(lakehouse.workspace, online_name(qualify(table.name))) is None
    ]
    names = [qualify(table.name) for table in due]
    online = publish_features(lakehouse, parameters.online_store, names)
    for table in due:
        as_of = computed[table.name]
        advance_watermarks(spark, qualify(WATERMARKS), PUBLISHED, [table.name], as_of)
    for line in describe(due, computed, published, qualify, online):
        print(line)
    lakehouse.set_task_value("tables_published", len(due))


def is_due(table: FeatureTable, computed: datetime, published: datetime | None) -> bool:
    """Return whether a table has to be published by this run.

    Tables with a time key are published by each run, others if they would be too old before the
    next run has published them.

    `computed` and `published` are instants as of which it was; None if it is not online.
    """
    if published is None:
        return True
    if table.timeseries_column is not None:
        return computed > published
    return computed - published + PROBLEM.refresh.greatest_age > table.fresh_within


def describe(
    due: list[FeatureTable],
    computed: Mapping[str, datetime],
    published: Mapping[str, datetime],
    qualify: Qualify,
    online: Mapping[str, str],
) -> list[str]:
    """Return a line for each feature table with its online state."""
    lines = []
    for table in PROBLEM.feature_tables:
        if table in due:
            name, as_of = online[qualify(table.name)], computed[table.name]
            lines.append(f"{table.name}: as of {as_of:%Y-%m-%d %H:%M} online as {name}")
        else:
            as_of = published[table.name]
            lines.append(f"{table.name}: as of {as_of:%Y-%m-%d %H:%M} is fresh enough")
    return lines


def main() -> None:
    """Run the task from its command line."""
    run(PublishParameters.parse(), Lakehouse())
