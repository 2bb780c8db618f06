"""Features computed incrementally equal those computed at once, online and offline."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from flight_delays.config.policy import BEGINNING
from flight_delays.problem import PROBLEM
from flight_delays.problem.features import FEATURE_TABLES
from flight_delays.problem.sources import PUBLISHED_AHEAD, SOURCES
from flight_delays.spec.tables import FeatureTable

from tests.problem.conftest import Tables, localize, read_sources

HOUR = timedelta(hours=1)
# Longer than the longest look-back, so that rows of every table expire.
START, END = datetime(2013, 1, 17, tzinfo=UTC), datetime(2013, 1, 21, 5, 17, tzinfo=UTC)
HOURLY = [START, *(START + hours * HOUR for hours in range(1, 25)), END]
TIMED = [table for table in FEATURE_TABLES if table.timeseries_column is not None]

Step = Callable[[Tables, datetime, datetime], Tables]


def cut(seed: int, times: int) -> list[datetime]:
    """Return a few timestamps up to the end, some of them at full hours."""
    draw = random.Random(seed)
    minutes = round((END - START) / timedelta(minutes=1))
    drawn = [START + timedelta(minutes=draw.randrange(minutes)) for _ in range(times)]
    return [*sorted(at.replace(minute=0) if at.minute < 20 else at for at in drawn), END]


@pytest.fixture(scope="module")
def step(spark: SparkSession) -> Step:
    """Return a function that does the work of the tasks ingest and features in a time span."""
    for name, rows in read_sources(END).items():
        schema = next(source.schema for source in SOURCES if source.name == name)
        spark.createDataFrame(rows, schema=schema).createOrReplaceTempView(f"all_{name}")
    ahead = PUBLISHED_AHEAD.days

    def step(tables: Tables, since: datetime, as_of: datetime) -> Tables:
        before = f"TIMESTAMP '{as_of.isoformat()}'"
        known = {
            "flights": "TRUE",
            "schedule": f"time_hour < date_trunc('HOUR', {before}) + INTERVAL '{ahead}' DAYS",
            "outcomes": f"known_at < {before}",
            "weather": f"known_at < {before}",
            "planes": "TRUE",
        }
        for name, condition in known.items():
            rows = spark.sql(f"SELECT * FROM all_{name} WHERE {condition}")
            rows.createOrReplaceTempView(f"source_{name}")
        return {
            table.name: advance(spark, table, tables.get(table.name), since, as_of)
            for table in FEATURE_TABLES
        }

    return step


def advance(
    spark: SparkSession,
    table: FeatureTable,
    stored: pd.DataFrame | None,
    since: datetime,
    as_of: datetime,
) -> pd.DataFrame:
    """Return a table with its missing rows added."""
    rows = table.compute(spark, lambda name: f"source_{name}", since, as_of)
    stored = add_missing(table, stored, localize(rows.toPandas()))
    if table.lookback is not None:
        spark.createDataFrame(stored).createOrReplaceTempView("stored")
        expired = table.expire(spark, "stored", since, as_of)
        stored = add_missing(table, stored, localize(expired.toPandas()))
    return stored


def add_missing(
    table: FeatureTable, stored: pd.DataFrame | None, rows: pd.DataFrame
) -> pd.DataFrame:
    assert not rows.duplicated(list(table.primary_keys)).any()
    both = rows if stored is None else pd.concat([stored, rows.astype(stored.dtypes)])
    return both.drop_duplicates(list(table.primary_keys), ignore_index=True)


@pytest.fixture(scope="module")
def at_once(step: Step) -> Tables:
    return step({}, BEGINNING, END)


@pytest.mark.parametrize(
    ("instants", "reread"),
    [
        pytest.param(cut(1, 3), 0, id="at any minute"),
        pytest.param(cut(2, 6), 24, id="with hours read again", marks=pytest.mark.nightly),
        pytest.param(HOURLY, 0, id="each hour, then a gap", marks=pytest.mark.nightly),
    ],
)
def test_tables_computed_in_steps_are_those_computed_at_once(
    step: Step, at_once: Tables, instants: list[datetime], reread: int
) -> None:
    tables = step({}, BEGINNING, instants[0])
    for since, as_of in pairwise(instants):
        tables = step(tables, since - reread * HOUR, as_of)
    for table in FEATURE_TABLES:
        keys = list(table.primary_keys)
        pd.testing.assert_frame_equal(
            tables[table.name].sort_values(keys, ignore_index=True),
            at_once[table.name].sort_values(keys, ignore_index=True),
            obj=table.name,
        )


def leave_out_nulls(rows: pd.DataFrame) -> pd.DataFrame:
    """Drop the rows added by `expire`; in the sample all others are known at a full minute."""
    kept: pd.DataFrame = rows.loc[rows["known_at"].dt.second == 0]
    return kept


def find(table: FeatureTable, rows: pd.DataFrame, at: datetime) -> pd.DataFrame:
    """Return the latest row of each key that was known at a given time."""
    keys = list(table.lookup_key)
    known = rows[rows["known_at"] <= at].sort_values("known_at")
    latest: pd.DataFrame = known.drop_duplicates(keys, keep="last").set_index(keys)
    return latest


@pytest.mark.parametrize("table", TIMED, ids=lambda table: table.name)
def test_the_latest_row_of_a_key_is_of_nulls_where_a_look_up_finds_none(
    at_once: Tables, table: FeatureTable
) -> None:
    assert table.lookback is not None
    rows, ends = at_once[table.name], 0
    for at in (START + hours * HOUR for hours in range(0, 96, 6)):
        latest = find(table, leave_out_nulls(rows), at)
        too_old = latest.index[latest["known_at"] < at - table.lookback]
        stored = find(table, rows, at)
        ended = stored.index[stored["known_at"].dt.second == 1]
        assert stored.loc[ended, list(table.features)].isna().all(axis=None)
        assert sorted(ended) == sorted(too_old)
        ends += len(ended)
    assert ends > 0 or table.name != "route_delay_features"


@pytest.mark.parametrize("table", TIMED, ids=lambda table: table.name)
def test_the_latest_row_of_a_key_has_what_a_look_up_with_look_back_finds(
    at_once: Tables, table: FeatureTable
) -> None:
    assert table.lookback is not None
    draw, rows, columns = random.Random(table.name), at_once[table.name], list(table.features)
    for _ in range(12):
        at = START + draw.randrange(96) * PROBLEM.refresh.every
        online = find(table, rows, at)[columns]
        computed = leave_out_nulls(rows)
        recent = computed[computed["known_at"] >= at - table.lookback]
        offline = find(table, recent, at)[columns].reindex(online.index)
        assert offline.notna().any(axis=None)
        pd.testing.assert_frame_equal(online, offline)
