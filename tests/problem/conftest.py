"""Source and feature tables of January 2013."""

import os
from collections.abc import Callable
from datetime import UTC, datetime

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from flight_delays.config.policy import BEGINNING
from flight_delays.problem import PROBLEM
from flight_delays.problem.features import FEATURE_TABLES
from flight_delays.problem.sources import READERS, SOURCES

# On shared cores, spinning OpenMP threads make training ten times slower.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def compute(spark: SparkSession) -> Callable[[Tables, datetime], Tables]:
    """Return a function that computes all feature tables from source tables."""

    def compute(sources: Tables, as_of: datetime) -> Tables:
        for source in SOURCES:
            frame = spark.createDataFrame(sources[source.name], schema=source.schema)
            frame.createOrReplaceTempView(f"source_{source.name}")
        return {
            table.name: localize(
                table.compute(spark, lambda name: f"source_{name}", BEGINNING, as_of).toPandas()
            )
            for table in FEATURE_TABLES
        }

    return compute


@pytest.fixture(scope="session")
def month() -> datetime:
    return datetime(2013, 2, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def sources(month: datetime) -> Tables:
    return read_sources(month)


@pytest.fixture(scope="module")
def tables(
    compute: Callable[[Tables, datetime], Tables], sources: Tables, month: datetime
) -> Tables:
    """The feature tables of January."""
    return compute(sources, month)


@pytest.fixture(scope="module")
def training_set(sources: Tables, tables: Tables) -> pd.DataFrame:
    """January's flights with features and, if they landed, label."""
    labels = sources["outcomes"][["flight_id", "late"]]
    return look_up(sources["flights"].merge(labels, how="left"), tables)


def read_sources(as_of: datetime, shift_days: int = 0) -> Tables:
    """Return the source tables as of an instant, as ingest writes them."""
    tables = {name: read(BEGINNING, as_of, shift_days) for name, read in READERS.items()}
    return {source.name: tables[source.name].fillna(dict(source.fill)) for source in SOURCES}


def look_up(flights: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    """Join the features that a request at each flight's decision finds; keep the order."""
    refresh = PROBLEM.refresh
    every = f"{refresh.every.total_seconds():.0f}s"
    features_at = (flights["decision_at"] - refresh.delay).dt.floor(every)
    found = flights.assign(features_at=features_at).reset_index(names="position")
    for table in FEATURE_TABLES:
        keys, rows = list(table.lookup_key), tables[table.name]
        if table.timeseries_column is None:
            found = found.merge(rows, on=keys, how="left", validate="many_to_one")
            continue
        found = pd.merge_asof(
            found.sort_values("features_at"),
            rows.sort_values("known_at"),
            left_on="features_at",
            right_on="known_at",
            by=keys,
            tolerance=None if table.lookback is None else pd.Timedelta(table.lookback),
        ).drop(columns="known_at")
    return found.sort_values("position", ignore_index=True).drop(columns="position")


def localize(frame: pd.DataFrame) -> pd.DataFrame:
    instants = frame.select_dtypes("datetime")
    return frame.assign(**{str(name): instants[name].dt.tz_localize("UTC") for name in instants})
