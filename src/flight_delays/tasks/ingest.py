"""Task: add new rows to the source tables, up to `as_of`; invalid rows go to quarantine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from ..config.data_quality import DataQualityPolicy, SourceStats, find_violations, load_data_quality
from ..lakehouse.context import Lakehouse
from ..lakehouse.quarantine import (
    LEFT_OUT,
    REFUSED,
    count_reasons,
    create_quarantine,
    describe_bad_rows,
    keep_bad_rows,
    leave_out_known,
)
from ..lakehouse.tables import (
    add_columns_to_fill,
    add_new_rows,
    count_rows,
    create_table,
    fill_columns,
    mark_filled,
    require_columns,
)
from ..lakehouse.watermarks import INGESTED, advance_watermarks, forget_watermark, read_watermarks
from ..problem import PROBLEM
from ..spec.tables import QUARANTINE, WATERMARKS, Qualify, Source
from .parameters import Instant, Parameters, SchemaName, in_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

REASONS_SHOWN = 5
REMEDY = "Delete or rename the table, then run feature_refresh: it reads the source from the start."


class DataQualityError(Exception):
    """A source has too many invalid rows, or no recent ones; no rows were written."""

    def __init__(self, violations: Sequence[str], quarantine: str) -> None:
        listed = "\n".join(f"- {violation}" for violation in violations)
        super().__init__(
            f"No rows were written.\n{listed}\n"
            f"See {quarantine}, outcome '{REFUSED}', for the rows, problem/sources.py for the "
            "rules and conf/data_quality.yml for the limits. Correct the rows at their source, or "
            "have a changed rule or limit reviewed; then run feature_refresh again."
        )


class IngestParameters(Parameters):
    """Parameters of the ingest task.

    Attributes:
        shift_days: Days by which the dates of sample data are shifted.
    """

    target: SchemaName
    as_of: Instant
    shift_days: int


@dataclass(frozen=True)
class Inspected:
    """A source's rows, checked and not yet written."""

    source: Source
    rows: "DataFrame"
    to_fill: Sequence[str]
    stats: SourceStats
    reasons: Mapping[str, tuple[int, str]]


def run(
    parameters: IngestParameters,
    lakehouse: Lakehouse,
    sources: Sequence[Source] = PROBLEM.sources,
    policy: DataQualityPolicy | None = None,
) -> None:
    """Check the rows of all sources; then write the new valid rows of all, or none.

    Raises:
        DataQualityError: A source has too many invalid rows, or no recent ones.
    """
    spark, as_of = lakehouse.spark, parameters.as_of
    qualify = partial(in_schema, parameters.target)
    limits = policy or load_data_quality([source.name for source in sources])
    lakehouse.set_task_value("as_of", as_of.isoformat())
    create_quarantine(spark, qualify(QUARANTINE))
    watermarks = read_watermarks(spark, qualify(WATERMARKS), INGESTED)
    inspected = []
    for source in sources:
        table = qualify(source.name)
        if source.read is None:
            # Create the table for its readers, also before the first row of a stream.
            create_table(spark, table, source.schema)
            continue
        there = spark.catalog.tableExists(table)
        if not there:
            # First: after a refused or killed run, the table is there and has no rows.
            forget_watermark(spark, qualify(WATERMARKS), INGESTED, source.name)
            create_table(spark, table, source.schema)
        present = spark.table(table).columns
        kinds = {name: kind for name, kind in source.columns.items() if name in present}
        # A table without any common column is unrelated.
        kinds = kinds or dict(source.columns)
        require_columns(spark, table, kinds, REMEDY)
        to_fill = add_columns_to_fill(lakehouse, table, source.columns)
        watermark = watermarks.get(source.name) if there and not to_fill else None
        known = source.read(spark, limits.read_from(watermark), as_of, parameters.shift_days)
        inspected.append(inspect(spark, source, known, to_fill, qualify, as_of))
    violations = [
        explain_violation(violation, found.reasons)
        for found in inspected
        for violation in find_violations(found.stats, limits.of(found.source.name), as_of)
    ]
    if violations:
        for found in inspected:
            keep_bad(spark, found, REFUSED, qualify, as_of)
        raise DataQualityError(violations, qualify(QUARANTINE))
    print(f"{'source':<12}{'rows':>12}{'new':>12}{'repeated':>12}{'quarantined':>12}  newest")
    added = sum(write(spark, found, qualify, as_of) for found in inspected)
    names = [found.source.name for found in inspected]
    advance_watermarks(spark, qualify(WATERMARKS), INGESTED, names, as_of)
    lakehouse.set_task_value("rows_added", added)


def inspect(
    spark: "SparkSession",
    source: Source,
    known: "DataFrame",
    to_fill: Sequence[str],
    qualify: Qualify,
    as_of: datetime,
) -> Inspected:
    """Check a source's rows against its rules and against its table."""
    keys = list(source.primary_keys)
    checked = source.check(known)
    stored = spark.table(qualify(source.name)).selectExpr(*keys, "TRUE AS _exists")
    at = f"unix_timestamp({source.dated_by})" if source.dated_by else "CAST(NULL AS BIGINT)"
    (found,) = (
        checked.join(stored, on=keys, how="left")
        .selectExpr(
            "coalesce(sum(_times - 1), 0) AS repeated",
            f"count_if(_reason = '' AND (_exists IS NULL OR {bool(to_fill)})) AS valid",
            "count_if(_reason <> '') AS invalid",
            f"max(CASE WHEN _reason = '' THEN {at} END) AS newest",
        )
        .collect()
    )
    # Check refused and corrected rows again, but not those that were left out.
    newest = found.newest
    if newest is None and source.dated_by:
        (latest,) = spark.sql(f"SELECT max({at}) AS newest FROM {qualify(source.name)}").collect()
        newest = latest.newest
    bad = describe_bad_rows(checked, source.name, LEFT_OUT, as_of, datetime.now(UTC))
    new_bad = leave_out_known(spark, qualify(QUARANTINE), bad)
    reasons = count_reasons(new_bad) if found.invalid else {}
    return Inspected(
        source,
        checked,
        to_fill,
        SourceStats(
            source=source.name,
            repeated=found.repeated,
            valid=found.valid,
            invalid=sum(rows for rows, _ in reasons.values()),
            dated=source.dated_by is not None,
            newest=None if newest is None else datetime.fromtimestamp(newest, UTC),
        ),
        reasons,
    )


def explain_violation(violation: str, reasons: Mapping[str, tuple[int, str]]) -> str:
    """Return a violation with its most frequent reasons and an example of each."""
    shown = list(reasons.items())[:REASONS_SHOWN]
    listed = (f"\n    {rows:,} x {reason}, as {key}" for reason, (rows, key) in shown)
    return violation + "".join(listed)


def keep_bad(
    spark: "SparkSession", found: Inspected, outcome: str, qualify: Qualify, as_of: datetime
) -> int:
    """Write the invalid rows to quarantine, and return the number of new ones."""
    if not found.stats.invalid:
        return 0
    bad = describe_bad_rows(found.rows, found.source.name, outcome, as_of, datetime.now(UTC))
    return keep_bad_rows(spark, qualify(QUARANTINE), bad)


def write(spark: "SparkSession", found: Inspected, qualify: Qualify, as_of: datetime) -> int:
    """Write invalid rows to quarantine and insert new valid rows; return the number of these."""
    source, stats = found.source, found.stats
    table = qualify(source.name)
    kept = keep_bad(spark, found, LEFT_OUT, qualify, as_of)
    new = 0
    if stats.valid:
        sound = found.rows.where("_reason = ''").select(*source.columns)
        if found.to_fill:
            fill_columns(spark, table, sound, source.primary_keys, found.to_fill)
        new = add_new_rows(spark, table, sound, source.primary_keys)
    if found.to_fill:
        mark_filled(spark, table)
        print(f"{source.name}: {', '.join(found.to_fill)} added, and written in all its rows")
    newest = "-" if stats.newest is None else f"{stats.newest:%Y-%m-%d %H:%M}"
    print(
        f"{source.name:<12}{count_rows(spark, table):>12,}{new:>12,}{stats.repeated:>12,}"
        f"{kept:>12,}  {newest}"
    )
    for reason, (rows, key) in found.reasons.items():
        print(f"    {rows:,} x {reason}, as {key}")
    return new


def main() -> None:
    """Run the task from its command line."""
    run(IngestParameters.parse(), Lakehouse())
