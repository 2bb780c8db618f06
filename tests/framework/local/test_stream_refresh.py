"""Features are the same if refreshed by a schedule, by a trigger or by a stream."""

import pytest

from flight_delays.problem import PROBLEM

from tests.conftest import MODEL, SCHEMA, Laptop

CATALOG = SCHEMA.partition(".")[0]
TABLES = [table.name for table in PROBLEM.feature_tables]
STREAMED = ("outcomes", "weather")

# `refresh` runs feature_refresh as of a time, `stream` the task stream_refresh. `arrive` writes the
# rows that became known within a time span to the streamed tables, one file per hour, in random
# order, some of them twice.
TASK = f"""
import os
import random
from dataclasses import replace
from datetime import datetime, timedelta, UTC
from flight_delays.config.streaming import Streaming
from flight_delays.lakehouse import streams
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.problem import PROBLEM
from flight_delays.tasks import features, ingest, stream_refresh

lakehouse = Lakehouse()
spark = lakehouse.spark
STREAMED = {STREAMED!r}

def refresh(schema, *instants, schedule="0 0 * * * ?", sources=PROBLEM.sources):
    for as_of in instants:
        ingest.run(ingest.IngestParameters.parse(
            [f"--target={CATALOG}.{{schema}}", f"--as_of={{as_of}}", "--shift_days=0"]
        ), lakehouse, sources)
        features.run(features.FeatureParameters.parse(
            [f"--target={CATALOG}.{{schema}}", "--model={MODEL}", f"--as_of={{as_of}}",
             f"--schedule={{schedule}}"]
        ), lakehouse)

others = tuple(replace(source, read=None) if source.name in STREAMED else source
    for source in PROBLEM.sources)

def stream(as_of, sources=STREAMED, schema="streamed", **changed):
    ingest.run(ingest.IngestParameters.parse(
        [f"--target={CATALOG}.{{schema}}", f"--as_of={{as_of}}", "--shift_days=0"]
    ), lakehouse, others)
    configured = {{"requests": {{"table": "none"}}, "files_at_once": 9, "rows_at_once": 100,
        "sources": {{name: {{"table": f"raw_{{name}}"}} for name in sources}},
        "settle_seconds": 0, "minutes": 0, **changed}}
    stream_refresh.run(stream_refresh.StreamRefreshParameters.parse(
        [f"--target={CATALOG}.{{schema}}", "--model={MODEL}",
         f"--volume={CATALOG}.{{schema}}.checkpoints", f"--as_of={{as_of}}"]
    ), lakehouse, Streaming(**configured))

def arrive(since, until, files=12, schema="streamed"):
    since, until = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (since, until))
    chance = random.Random(str(since))
    for name in STREAMED:
        source = PROBLEM.require_source(name)
        rows = source.read(spark, since, until, 0).toPandas().sample(frac=1, random_state=1)
        rows = rows[rows.get("wind_speed", rows.index) != 1048.36]
        for part in range(files):
            some = rows.iloc[part::files]
            if chance.random() < 0.3:
                some = some.iloc[:3].merge(some, how="outer")
            if len(some):
                frame = spark.createDataFrame(some, source.schema.replace(" NOT NULL", ""))
                frame.write.mode("append").saveAsTable(f"{CATALOG}.{{schema}}.raw_{{name}}")

def end(*_, **__):
    print("cut", flush=True)
    os._exit(1)
"""


@pytest.fixture(scope="module")
def refreshed(laptop: Laptop) -> Laptop:
    """Return a workspace with a schema for each kind of refresh."""
    for way in ("scheduled", "triggered", "streamed", "at_once", "both"):
        laptop.sql(f"CREATE SCHEMA IF NOT EXISTS {CATALOG}.{way}")
    for way in ("streamed", "both"):
        laptop.sql(f"CREATE VOLUME IF NOT EXISTS {CATALOG}.{way}.checkpoints")
    return laptop


def difference(laptop: Laptop, one: str, other: str) -> dict[str, int]:
    """Return by table the number of rows in only one of two schemas; NaN equals null."""
    found = {}
    for table in TABLES:
        rows = laptop.sql(
            f"SELECT count(*) AS n FROM ((SELECT * FROM {CATALOG}.{one}.{table} EXCEPT ALL "
            f"SELECT * FROM {CATALOG}.{other}.{table}) UNION ALL "
            f"(SELECT * FROM {CATALOG}.{other}.{table} EXCEPT ALL "
            f"SELECT * FROM {CATALOG}.{one}.{table}))"
        )
        found[table] = int(rows[0]["n"])
    return found


# Code that kills a run of the stream, by the time as of which it runs.
CUTS = {
    "2013-01-04": "stream_refresh.take_batch = end",
    "2013-01-06": "stream_refresh.forget_batch = end",
}
SPANS = [
    pytest.param(["2013-01-04", "2013-01-06"], 3, id="week"),
    pytest.param(
        [*(f"2013-{month:02}-01" for month in (3, 5, 7, 9, 11)), "2013-12-31"],
        20,
        id="year",
        marks=pytest.mark.nightly,
    ),
]


@pytest.mark.parametrize(("instants", "files"), SPANS)
def test_three_ways_leave_equal_tables(refreshed: Laptop, instants: list[str], files: int) -> None:
    *_, last = instants
    refreshed.execute(TASK + f"refresh('scheduled', *{instants})")
    between = f"{instants[0]}T13:07:11"
    refreshed.execute(TASK + f"refresh('triggered', '{between}', '{last}', schedule='continuous')")
    began = "2013-01-01"
    for instant in instants:
        refreshed.execute(TASK + f"arrive('{began}', '{instant}', {files})")
        if instant in CUTS:
            with pytest.raises(AssertionError, match="cut"):
                refreshed.execute(TASK + f"{CUTS[instant]}\nstream('{instant}')")
        assert "rows have arrived" in refreshed.execute(TASK + f"stream('{instant}')")
        began = instant
    none = dict.fromkeys(TABLES, 0)
    assert difference(refreshed, "scheduled", "triggered") == none
    assert difference(refreshed, "scheduled", "streamed") == none


def computed(laptop: Laptop, schema: str) -> dict[str, str]:
    """Return the day up to which each table was computed."""
    rows = laptop.sql(
        f"SELECT table_name, CAST(CAST(as_of AS DATE) AS STRING) AS day "
        f"FROM {CATALOG}.{schema}.watermarks WHERE step = 'features'"
    )
    return {row["table_name"]: row["day"] for row in rows}


def test_feature_refresh_computes_no_further_than_streams_were_taken_in(
    refreshed: Laptop,
) -> None:
    both = f"{TASK}\nfeatures.PROBLEM = stream_refresh.PROBLEM = replace(PROBLEM, sources=others)\n"
    waits = {table.name for table in PROBLEM.feature_tables if {*STREAMED} & {*table.sources}}
    reached = dict.fromkeys(TABLES, "2013-01-06")
    # A new schema has the tables without rows of the streams.
    said = refreshed.execute(both + "refresh('both', '2013-01-04', sources=others)")
    assert "none is computed until the job stream_refresh has taken in" in said
    begun = {name: "1970-01-01" if name in waits else "2013-01-04" for name in TABLES}
    assert computed(refreshed, "both") == begun
    refreshed.execute(both + "arrive('2013-01-01', '2013-01-04', 3, 'both')")
    refreshed.execute(both + "stream('2013-01-04', schema='both')")
    # Later rows have not arrived yet.
    refreshed.execute(both + "refresh('both', '2013-01-06', sources=others)")
    late = {name: "2013-01-04" if name in waits else "2013-01-06" for name in TABLES}
    assert computed(refreshed, "both") == late
    refreshed.execute(both + "arrive('2013-01-04', '2013-01-06', 3, 'both')")
    refreshed.execute(both + "stream('2013-01-06', schema='both')")
    assert computed(refreshed, "both") == reached
    refreshed.execute(TASK + "refresh('at_once', '2013-01-06')")
    assert difference(refreshed, "at_once", "both") == dict.fromkeys(TABLES, 0)


def test_a_late_row_adds_features_and_changes_none(refreshed: Laptop) -> None:
    columns = list(PROBLEM.require_source("outcomes").columns)
    (newest,) = refreshed.sql(f"SELECT max(known_at) AS at FROM {CATALOG}.streamed.outcomes")
    values = {
        "flight_id": "concat('late-', flight_id)",
        "known_at": "known_at - INTERVAL '90' MINUTES",
        "dest": "'LATE'",
    }
    late = ", ".join(values.get(column, column) for column in columns)
    before = refreshed.sql(f"SELECT * FROM {CATALOG}.streamed.origin_delay_features")
    refreshed.sql(
        f"INSERT INTO {CATALOG}.streamed.raw_outcomes SELECT {late} "
        f"FROM {CATALOG}.streamed.outcomes WHERE known_at = '{newest['at']}' LIMIT 1"
    )
    said = refreshed.execute(TASK + f"stream('{newest['at']}')")
    assert "outcomes: 1 rows have arrived" in said
    (found,) = refreshed.sql(
        f"SELECT count(*) AS n FROM {CATALOG}.streamed.route_delay_features WHERE dest = 'LATE'"
    )
    assert int(found["n"]) == 1
    assert refreshed.sql(f"SELECT * FROM {CATALOG}.streamed.origin_delay_features") == before


def test_a_silent_stream_fails_after_features_were_computed(refreshed: Laptop) -> None:
    code = """
try:
    stream("2013-02-10", settle_seconds=90)
except streams.StreamError as error:
    print("REFUSED", error)
"""
    said = refreshed.execute(TASK + code)
    assert "schedule_features" in said
    assert "the newest row that has arrived is of 2013-" in said.partition("REFUSED")[2]
    # Rows of the last of these seconds may still arrive.
    (computed,) = refreshed.sql(
        f"SELECT DISTINCT as_of FROM {CATALOG}.streamed.watermarks WHERE step = 'features'"
    )
    assert "2013-02-09" in computed["as_of"]
    assert "23:58:30" in computed["as_of"]
