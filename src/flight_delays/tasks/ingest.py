"""Task: bring the source tables up to what is known before `as_of`; what is bad is kept apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from ..contract import QUARANTINE, WATERMARKS, IntakePolicy, Qualify, Source, load_intake
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
from ..lakehouse.tables import add_new_rows, count_rows, create_table, require_columns
from ..lakehouse.watermarks import INGESTED, advance_watermarks, read_watermarks
from ..lifecycle import Intake, find_objections
from ..problem import PROBLEM
from .parameters import Instant, Parameters, SchemaName, in_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

REASONS_SHOWN = 5
REMEDY = "Delete or rename the table, then run feature_refresh: it reads the source from the start."


class IntakeRefusedError(Exception):
    """Rows are too bad or too old for any to be written."""

    def __init__(self, objections: Sequence[str], quarantine: str) -> None:
        listed = "\n".join(f"- {objection}" for objection in objections)
        super().__init__(
            f"no row was let in.\n{listed}\n"
            f"The bad rows stand in {quarantine}, outcome '{REFUSED}'; the rules in "
            "problem/sources.py, the limits in conf/intake.yml. Correct the rows where they come "
            "from, or have a changed rule or limit reviewed; then run feature_refresh again."
        )


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


@dataclass(frozen=True)
class Inspected:
    """A source's rows, checked and not yet written."""

    source: Source
    rows: "DataFrame"
    intake: Intake
    reasons: Mapping[str, tuple[int, str]]


def run(
    parameters: IngestParameters,
    lakehouse: Lakehouse,
    sources: Sequence[Source] = PROBLEM.sources,
    policy: IntakePolicy | None = None,
) -> None:
    """Check what every source brings; then let in what is new and sound, or nothing at all.

    Raises:
        IntakeRefusedError: A source brings too many bad rows, or none that is recent.
    """
    spark, as_of = lakehouse.spark, parameters.as_of
    qualify = partial(in_schema, parameters.target)
    limits = policy or load_intake([source.name for source in sources])
    lakehouse.set_task_value("as_of", as_of.isoformat())
    create_quarantine(spark, qualify(QUARANTINE))
    watermarks = read_watermarks(spark, qualify(WATERMARKS), INGESTED)
    inspected = []
    for source in sources:
        table = qualify(source.name)
        there = spark.catalog.tableExists(table)
        if there:
            require_columns(spark, table, source.columns, REMEDY)
        else:
            create_table(spark, table, source.schema)
        since = limits.read_from(watermarks.get(source.name) if there else None)
        known = source.read(spark, since, as_of, parameters.shift_days)
        inspected.append(inspect(spark, source, known, qualify, as_of))
    objections = [
        describe(objection, found.reasons)
        for found in inspected
        for objection in find_objections(found.intake, limits.of(found.source.name), as_of)
    ]
    if objections:
        for found in inspected:
            keep_bad(spark, found, REFUSED, qualify, as_of)
        raise IntakeRefusedError(objections, qualify(QUARANTINE))
    print(f"{'source':<12}{'rows':>12}{'new':>12}{'repeated':>12}{'quarantined':>12}  newest")
    added = sum(write(spark, found, qualify, as_of) for found in inspected)
    names = [source.name for source in sources]
    advance_watermarks(spark, qualify(WATERMARKS), INGESTED, names, as_of)
    lakehouse.set_task_value("rows_added", added)


def inspect(
    spark: "SparkSession", source: Source, known: "DataFrame", qualify: Qualify, as_of: datetime
) -> Inspected:
    """Check a source's rows against its rules and against what stands."""
    keys = list(source.primary_keys)
    checked = source.check(known)
    stands = spark.table(qualify(source.name)).selectExpr(*keys, "TRUE AS _stands")
    at = f"unix_timestamp({source.dated_by})" if source.dated_by else "CAST(NULL AS BIGINT)"
    (found,) = (
        checked.join(stands, on=keys, how="left")
        .selectExpr(
            "coalesce(sum(_times), 0) AS read",
            "coalesce(sum(_times - 1), 0) AS repeated",
            "count_if(_reason = '' AND _stands IS NULL) AS good",
            "count_if(_reason <> '') AS bad",
            f"max(CASE WHEN _reason = '' THEN {at} END) AS newest",
        )
        .collect()
    )
    # Rows that were refused, or corrected since, are judged anew; those left out already are not.
    newest = found.newest
    if newest is None and source.dated_by:
        (stored,) = spark.sql(f"SELECT max({at}) AS newest FROM {qualify(source.name)}").collect()
        newest = stored.newest
    bad = describe_bad_rows(checked, source.name, LEFT_OUT, as_of, datetime.now(UTC))
    new_bad = leave_out_known(spark, qualify(QUARANTINE), bad)
    reasons = count_reasons(new_bad) if found.bad else {}
    return Inspected(
        source,
        checked,
        Intake(
            source=source.name,
            read=found.read,
            repeated=found.repeated,
            good=found.good,
            bad=sum(rows for rows, _ in reasons.values()),
            dated=source.dated_by is not None,
            newest=None if newest is None else datetime.fromtimestamp(newest, UTC),
        ),
        reasons,
    )


def describe(objection: str, reasons: Mapping[str, tuple[int, str]]) -> str:
    """Say what speaks against a source, with its commonest reasons and an example of each."""
    shown = list(reasons.items())[:REASONS_SHOWN]
    listed = (f"\n    {rows:,} x {reason}, as {key}" for reason, (rows, key) in shown)
    return objection + "".join(listed)


def keep_bad(
    spark: "SparkSession", found: Inspected, outcome: str, qualify: Qualify, as_of: datetime
) -> int:
    """Keep the bad rows apart, and return how many of them are new there."""
    if not found.intake.bad:
        return 0
    bad = describe_bad_rows(found.rows, found.source.name, outcome, as_of, datetime.now(UTC))
    return keep_bad_rows(spark, qualify(QUARANTINE), bad)


def write(spark: "SparkSession", found: Inspected, qualify: Qualify, as_of: datetime) -> int:
    """Keep the bad rows apart, add the new sound ones, and return how many those were."""
    source, intake = found.source, found.intake
    table = qualify(source.name)
    kept = keep_bad(spark, found, LEFT_OUT, qualify, as_of)
    new = 0
    if intake.good:
        sound = found.rows.where("_reason = ''").select(*source.columns)
        new = add_new_rows(spark, table, sound, source.primary_keys)
    newest = "-" if intake.newest is None else f"{intake.newest:%Y-%m-%d %H:%M}"
    print(
        f"{source.name:<12}{count_rows(spark, table):>12,}{new:>12,}{intake.repeated:>12,}"
        f"{kept:>12,}  {newest}"
    )
    for reason, (rows, key) in found.reasons.items():
        print(f"    {rows:,} x {reason}, as {key}")
    return new


def main() -> None:
    """Run the task from its command line."""
    run(IngestParameters.parse(), Lakehouse())
