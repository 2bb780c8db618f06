"""Rows, Spark actions, seconds and syncs of each task of feature_refresh.

Run as `laptop exec -- python -m benchmarks.refreshes FOLDER`, in the environment of a task. It
computes the year's tables in three steps, the second an hourly one, and writes to the folder the
measurements, the feature tables, and the labelled rows with features as judged and as of the
decision.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql.connect.client.core import SparkConnectClient

from flight_delays.config.data_quality import load_data_quality
from flight_delays.config.policy import BEGINNING
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.problem import PROBLEM
from flight_delays.spec.problem import FEATURES_AT
from flight_delays.spec.selection import select_labelled_rows
from flight_delays.spec.tables import Qualify
from flight_delays.spec.windows import Interval
from flight_delays.tasks import features, ingest, publish
from flight_delays.tasks.parameters import in_schema, read_instant

SCHEMA = "dev.bench"
STEPS = ("2013-11-01T00:00", "2013-11-01T01:00", "2014-01-01T00:00")
MEASURED = "refreshes.json"
SCHEDULE = "0 0 * * * ?"
DAYS = 30


@dataclass(frozen=True)
class Refreshed:
    """One run of a task.

    Attributes:
        task: Name of the task.
        as_of: Time of the snapshot.
        rows: Number of rows read from the sources, or computed.
        added: Number of rows added to its tables.
        actions: Number of plans executed by Spark.
        seconds: Duration.
    """

    task: str
    as_of: str
    rows: int
    added: int
    actions: int
    seconds: float


def main() -> None:
    """Compute the tables step by step, and write the measurements."""
    folder = Path(sys.argv[1])
    lakehouse = Lakehouse()
    values: dict[str, Any] = {}
    lakehouse.set_task_value = values.__setitem__  # type: ignore[assignment,method-assign]
    lakehouse.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    runs = []
    before = None
    for as_of in map(read_instant, STEPS):
        ingesting = ingest.IngestParameters(target=SCHEMA, as_of=as_of, shift_days=0)
        computing = features.FeatureParameters(
            target=SCHEMA, model=f"{SCHEMA}.model", as_of=as_of, schedule=SCHEDULE
        )
        for name, run, count in (
            ("ingest", partial(ingest.run, ingesting, lakehouse), count_read),
            ("features", partial(features.run, computing, lakehouse), count_computed),
        ):
            begin = time.perf_counter()
            with count_actions() as counted:
                run()
            seconds = time.perf_counter() - begin
            rows = count(before, as_of, lakehouse)
            added = values["rows_added"]
            runs.append(
                Refreshed(name, f"{as_of:%Y-%m-%d %H:%M}", rows, added, len(counted), seconds)
            )
        before = as_of
    (folder / MEASURED).write_text(json.dumps([asdict(each) for each in runs]), encoding="utf-8")
    write_rows(folder, lakehouse)


def count_read(before: datetime | None, as_of: datetime, lakehouse: Lakehouse) -> int:
    """Return the number of rows that ingest reads from the sources after a run as of `before`."""
    since = read_since(before)
    readers = (source.read for source in PROBLEM.sources)
    return sum(read(lakehouse.spark, since, as_of, 0).count() for read in readers if read)


def count_computed(before: datetime | None, as_of: datetime, lakehouse: Lakehouse) -> int:
    """Return the number of feature rows computed after a run as of `before`."""
    since, qualify = read_since(before), partial(in_schema, SCHEMA)
    tables = PROBLEM.feature_tables
    return sum(table.compute(lakehouse.spark, qualify, since, as_of).count() for table in tables)


def read_since(before: datetime | None) -> datetime:
    """Return the watermark from which rows are read after a run as of `before`."""
    return load_data_quality([source.name for source in PROBLEM.sources]).read_from(before)


@contextmanager
def count_actions() -> Iterator[list[str]]:
    """Collect the calls that execute a plan: commands and fetched results."""
    counted: list[str] = []
    names = ("_execute", "_execute_and_fetch_as_iterator")
    originals = {name: getattr(SparkConnectClient, name) for name in names}

    def count(name: str) -> Any:
        def call(client: SparkConnectClient, *given: Any, **named: Any) -> Any:
            counted.append(name)
            return originals[name](client, *given, **named)

        return call

    for name in names:
        setattr(SparkConnectClient, name, count(name))
    try:
        yield counted
    finally:
        for name, original in originals.items():
            setattr(SparkConnectClient, name, original)


def write_rows(folder: Path, lakehouse: Lakehouse) -> None:
    """Write the labelled rows with their features, sorted by decision, and the feature tables."""
    as_of, qualify = read_instant(STEPS[-1]), partial(in_schema, SCHEMA)
    interval = Interval(BEGINNING, as_of)
    rows = select_labelled_rows(lakehouse.spark, PROBLEM, qualify, interval, as_of)
    fresh = rows.withColumn(FEATURES_AT, F.col(PROBLEM.spine.decision_at))
    for name, each in (("judged", rows), ("fresh", fresh)):
        write_training_set(each, folder / f"{name}.parquet", qualify, lakehouse)
    for table in PROBLEM.feature_tables:
        found = lakehouse.spark.table(qualify(table.name)).toPandas()
        found.to_parquet(folder / f"{table.name}.parquet")


def write_training_set(rows: DataFrame, file: Path, qualify: Qualify, lakehouse: Lakehouse) -> None:
    """Write rows with their looked-up features, in a fixed order."""
    training_set = lakehouse.feature_store.create_training_set(
        df=rows,
        feature_lookups=PROBLEM.look_ups(qualify),
        label=PROBLEM.label.column,
        exclude_columns=[],
    )
    found = training_set.load_df().toPandas()
    order = [PROBLEM.spine.decision_at, *PROBLEM.keys]
    found.sort_values(order, ignore_index=True).to_parquet(file)


def read_refreshed(folder: Path) -> list[Refreshed]:
    """Return the measurements."""
    return [Refreshed(**each) for each in json.loads((folder / MEASURED).read_text("utf-8"))]


def count_syncs() -> dict[str, int]:
    """Return how often the task publish publishes each table in a day."""
    counts, every = {}, PROBLEM.refresh.every
    for table in PROBLEM.feature_tables:
        published, syncs = BEGINNING, 0
        for run in range(1, DAYS * (timedelta(days=1) // every) + 1):
            if publish.is_due(table, BEGINNING + run * every, published):
                published = BEGINNING + run * every
                syncs += 1
        counts[table.name] = round(syncs / DAYS)
    return counts


if __name__ == "__main__":
    main()
