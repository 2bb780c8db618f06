"""Task: create feature functions, and compute feature tables up to `as_of`."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from ..config.data_quality import load_data_quality
from ..config.policy import BEGINNING
from ..lakehouse.context import Lakehouse
from ..lakehouse.errors import FeatureInUseError
from ..lakehouse.feature_tables import (
    ensure_feature_table,
    merge_features,
    read_definition,
    record_definition,
    rewrite_features,
)
from ..lakehouse.functions import ensure_function
from ..lakehouse.registry import read_look_ups
from ..lakehouse.tables import require_table
from ..lakehouse.watermarks import (
    COMPUTED,
    INGESTED,
    PUBLISHED,
    advance_watermarks,
    forget_watermark,
    read_watermarks,
)
from ..problem import PROBLEM
from ..spec.tables import WATERMARKS, FeatureTable, Qualify
from .parameters import FullName, Instant, Parameters, SchemaName, Text, in_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

REMEDY = (
    "Delete the table, and its online table where it has one, then run feature_refresh: it "
    "computes the table from the start. docs/features.md has the commands."
)


class FeatureParameters(Parameters):
    """Parameters of the features task.

    Attributes:
        model: Registered model whose served versions look features up.
        schedule: Quartz cron expression of the job, in UTC.
    """

    target: SchemaName
    model: FullName
    as_of: Instant
    schedule: Text


def run(parameters: FeatureParameters, lakehouse: Lakehouse) -> None:
    """Compute the rows that became known since the last run, and insert them.

    Raises:
        DeclarationError: The job's schedule is too infrequent for the declared freshness.
        FeatureInUseError: A version with an alias looks up a feature that is no longer computed.
    """
    PROBLEM.refresh.require_schedule(parameters.schedule)
    spark, qualify = lakehouse.spark, partial(in_schema, parameters.target)
    for source in PROBLEM.sources:
        require_table(spark, qualify(source.name), "Run the task ingest first.")
    for feature in PROBLEM.request_features:
        name = qualify(feature.catalog_name)
        made = ensure_function(lakehouse, name, feature)
        print(f"{name}: {'made' if made else 'is there'}, for {feature.output}")
    watermarks = read_watermarks(spark, qualify(WATERMARKS), COMPUTED)
    limits = load_data_quality([source.name for source in PROBLEM.sources])
    taken_in = read_watermarks(spark, qualify(WATERMARKS), INGESTED)
    added = 0
    reached: dict[datetime, list[str]] = {}
    for table in PROBLEM.feature_tables:
        there = spark.catalog.tableExists(qualify(table.name))
        if there:
            refuse_dropped_features(table, qualify(table.name), parameters.model, lakehouse)
        else:
            # First: after a killed run, the table is there and has no rows.
            for step in (PUBLISHED, COMPUTED):
                forget_watermark(spark, qualify(WATERMARKS), step, table.name)
        as_of, reason = limit_as_of(table, parameters.as_of, taken_in)
        watermark = watermarks.get(table.name) if there else None
        since, latest = limits.read_from(watermark), max(as_of, watermark or as_of)
        new = refresh_table(table, qualify, since, as_of, latest, lakehouse)
        print(f"{table.name}: {new:,} new rows{reason}")
        added += new
        reached.setdefault(as_of, []).append(table.name)
    for as_of, names in reached.items():
        advance_watermarks(spark, qualify(WATERMARKS), COMPUTED, names, as_of)
    lakehouse.set_task_value("rows_added", added)


def limit_as_of(
    table: FeatureTable, as_of: datetime, taken_in: Mapping[str, datetime]
) -> tuple[datetime, str]:
    """Return the instant up to which a table may be computed, and for messages why it is earlier.

    Late rows of a stream do not change computed features, so a table waits for its streams.

    `taken_in` has the watermark of each ingested source.
    """
    streamed = [name for name in table.sources if PROBLEM.require_source(name).read is None]
    last = min(streamed, key=lambda name: taken_in.get(name, BEGINNING), default=None)
    if last is None or taken_in.get(last, BEGINNING) >= as_of:
        return as_of, ""
    if last not in taken_in:
        return BEGINNING, f"; none is computed until the job stream_refresh has taken in {last}"
    return taken_in[last], f"; up to {taken_in[last]:%Y-%m-%d %H:%M:%S} UTC, as far as {last} is in"


def refresh_table(
    table: FeatureTable,
    qualify: Qualify,
    since: datetime,
    as_of: datetime,
    latest: datetime,
    lakehouse: Lakehouse,
) -> int:
    """Compute a table up to an instant, and return the number of inserted rows.

    Rows from `since` on are not computed yet. `latest` is the latest `as_of` of all runs; if the
    definition has changed, all rows up to it are computed again.
    """
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
    changed = read_definition(lakehouse.workspace, name) != table.definition
    if changed and not spark.table(name).isEmpty():
        added = recompute(table, qualify, latest, lakehouse)
    else:
        added = extend_table(table, name, rows, since, as_of, lakehouse)
    if changed:
        # Last: after a kill, the next run starts again.
        forget_watermark(spark, qualify(WATERMARKS), PUBLISHED, table.name)
        record_definition(lakehouse, name, table.definition)
    return added


def recompute(table: FeatureTable, qualify: Qualify, as_of: datetime, lakehouse: Lakehouse) -> int:
    """Compute all rows with a changed definition, and return the number of inserted rows."""
    rows = table.compute(lakehouse.spark, qualify, BEGINNING, as_of)
    if table.lookback is not None:
        rows.createOrReplaceTempView("computed_anew")
        rows = rows.union(table.expire(lakehouse.spark, "computed_anew", BEGINNING, as_of))
    done = rewrite_features(lakehouse, qualify(table.name), rows, table.primary_keys)
    print(
        f"{table.name}: its definition has changed; recomputed, {done.changed:,} rows have "
        f"other values and {done.removed:,} were removed"
    )
    return done.added


def extend_table(
    table: FeatureTable,
    name: str,
    rows: "DataFrame",
    since: datetime,
    as_of: datetime,
    lakehouse: Lakehouse,
) -> int:
    """Insert the rows that became known from `since` on, and return their number."""
    present = lakehouse.spark.table(name)
    if table.timeseries_column is not None:
        present = present.where(f"{table.timeseries_column} >= TIMESTAMP '{since.isoformat()}'")
    present = present.select(*table.primary_keys)
    added = merge_features(lakehouse, name, rows, present)
    if table.lookback is not None:
        expired = table.expire(lakehouse.spark, name, since, as_of)
        if not expired.isEmpty():
            added += merge_features(lakehouse, name, expired, present)
    return added


def refuse_dropped_features(
    table: FeatureTable, name: str, model: str, lakehouse: Lakehouse
) -> None:
    """Check that all features which versions with an alias look up are still computed.

    Raises:
        FeatureInUseError: A feature is not.
    """
    former = set(lakehouse.spark.table(name).columns) - {*table.primary_keys, *table.computed}
    looked_up = read_look_ups(lakehouse.registry, model) if former else {}
    in_use = [f"{each} ({looked_up[name, each]})" for each in former if (name, each) in looked_up]
    if in_use:
        raise FeatureInUseError(name, ", ".join(sorted(in_use)))


def main() -> None:
    """Run the task from its command line."""
    run(FeatureParameters.parse(), Lakehouse())
