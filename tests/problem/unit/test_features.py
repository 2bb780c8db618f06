"""Values and point-in-time correctness of the feature tables."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from flight_delays.config.policy import BEGINNING
from flight_delays.errors import InstantWithoutZoneError
from flight_delays.problem import PROBLEM
from flight_delays.problem.features import FEATURE_TABLES, ORIGIN_DELAY_FEATURES
from flight_delays.problem.sources import KEYS
from flight_delays.spec.tables import FeatureTable

from tests.problem.conftest import look_up, read_sources

Tables = dict[str, pd.DataFrame]
Compute = Callable[[Tables, datetime], Tables]
EACH_TABLE = pytest.mark.parametrize("table", FEATURE_TABLES, ids=lambda table: table.name)
MID_MONTH = datetime(2013, 1, 16, 17, 25, tzinfo=UTC)


def by_key(table: FeatureTable, rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values(list(table.primary_keys), ignore_index=True)


@pytest.fixture(scope="module")
def tables_mid_month(compute: Compute) -> Tables:
    return compute(read_sources(MID_MONTH), MID_MONTH)


@EACH_TABLE
def test_primary_keys_are_unique_and_not_null(table: FeatureTable, tables: Tables) -> None:
    rows = tables[table.name]
    keys = list(table.primary_keys)
    assert len(rows) > 1_000
    assert not rows[keys].isna().any(axis=None)
    assert not rows.duplicated(keys).any()


@EACH_TABLE
def test_features_are_doubles_and_strings(table: FeatureTable, tables: Tables) -> None:
    rows = tables[table.name]
    assert list(rows.columns) == [*table.primary_keys, *table.features]
    assert {str(rows[number].dtype) for number in table.numerical} <= {"float64"}
    assert {str(rows[text].dtype) for text in table.categorical} <= {"object"}


@EACH_TABLE
def test_rows_are_unchanged_at_later_as_of(
    table: FeatureTable, tables: Tables, tables_mid_month: Tables
) -> None:
    earlier = tables_mid_month[table.name]
    later = tables[table.name].merge(earlier[list(table.primary_keys)])
    pd.testing.assert_frame_equal(by_key(table, later), by_key(table, earlier))
    assert len(earlier) < len(tables[table.name]) or table.name == "aircraft_features"


def test_earlier_as_of_ignores_later_source_rows(
    compute: Compute, sources: Tables, tables_mid_month: Tables
) -> None:
    computed = compute(sources, MID_MONTH)
    for table in FEATURE_TABLES:
        if table.timeseries_column is not None:
            rows, own = computed[table.name], tables_mid_month[table.name]
            pd.testing.assert_frame_equal(by_key(table, rows), by_key(table, own))


def test_unfinished_hour_has_no_row(tables_mid_month: Tables) -> None:
    latest = tables_mid_month["origin_delay_features"]["known_at"].max()
    assert latest == pd.Timestamp("2013-01-16T17:00Z")


def test_later_source_rows_change_no_earlier_feature(
    compute: Compute, sources: Tables, tables: Tables, month: datetime
) -> None:
    outcomes, weather = sources["outcomes"].copy(), sources["weather"].copy()
    unknown = outcomes["known_at"] > MID_MONTH
    outcomes.loc[unknown, "arr_delay"] = 600.0
    outcomes.loc[unknown, "late"] = 1 - outcomes.loc[unknown, "late"]
    weather.loc[weather["known_at"] > MID_MONTH, ["temp", "precip"]] = 99.0
    altered = compute(sources | {"outcomes": outcomes, "weather": weather}, month)
    for table in FEATURE_TABLES:
        before, after = by_key(table, tables[table.name]), by_key(table, altered[table.name])
        if table.timeseries_column is None:
            pd.testing.assert_frame_equal(after, before)
            continue
        known = before["known_at"] <= MID_MONTH
        pd.testing.assert_frame_equal(after[known], before[known])
        assert not after[~known].equals(before[~known])


def test_lookup_ignores_outcomes_after_decision(
    compute: Compute, sources: Tables, training_set: pd.DataFrame, month: datetime
) -> None:
    known = sources["outcomes"]["known_at"] <= MID_MONTH
    outcomes = sources["outcomes"][known].reset_index(drop=True)
    altered = look_up(sources["flights"], compute(sources | {"outcomes": outcomes}, month))
    decided = training_set["features_at"] <= MID_MONTH
    features = [*PROBLEM.feature_columns]
    pd.testing.assert_frame_equal(
        altered.loc[decided, features], training_set.loc[decided, features]
    )
    assert not altered[features].equals(training_set[features])


def outcomes_of(sources: Tables, *rows: tuple[str, str, str, float]) -> pd.DataFrame:
    """Return outcomes of AA flights from JFK: destination, status, known at, arrival delay."""
    return pd.DataFrame(
        [
            {
                "flight_id": f"2013-01-01T00Z-AA-{number}-JFK",
                "time_hour": pd.Timestamp("2013-01-01T00:00Z"),
                "carrier": "AA",
                "flight": number,
                "origin": "JFK",
                "dest": dest,
                "status": status,
                "known_at": pd.Timestamp(known_at),
                "arr_delay": delay if status == "landed" else None,
                "late": float(delay >= 15) if status == "landed" else None,
            }
            for number, (dest, status, known_at, delay) in enumerate(rows)
        ]
    ).astype(sources["outcomes"].dtypes.to_dict())


def test_route_features_count_landings_of_14_days(
    compute: Compute, sources: Tables, month: datetime
) -> None:
    outcomes = outcomes_of(
        sources,
        ("LAX", "landed", "2013-01-02T10:00Z", 15),
        ("LAX", "landed", "2013-01-02T10:01Z", 15),
        ("LAX", "landed", "2013-01-16T10:00Z", 0),
        ("LAX", "landed", "2013-01-16T10:00Z", 60),
        ("LAX", "cancelled", "2013-01-16T09:00Z", 0),
        ("LAX", "diverted", "2013-01-16T09:00Z", 0),
        ("SFO", "landed", "2013-01-16T09:00Z", 99),
    )
    rows = compute(sources | {"outcomes": outcomes}, month)["route_delay_features"]
    latest = rows[rows["known_at"] == pd.Timestamp("2013-01-16T10:00Z")]
    assert latest[["dest", "route_late_share_14d", "route_landed_14d"]].values.tolist() == [
        ["LAX", 2 / 3, 3.0]
    ]
    assert len(rows) == 4


def test_origin_features_count_landings_of_previous_3_hours(
    compute: Compute, sources: Tables, month: datetime
) -> None:
    outcomes = outcomes_of(
        sources,
        ("LAX", "landed", "2013-01-02T06:59Z", 99),
        ("LAX", "landed", "2013-01-02T07:00Z", -20),
        ("SFO", "landed", "2013-01-02T09:59Z", 40),
        ("SFO", "cancelled", "2013-01-02T09:00Z", 0),
        ("SFO", "landed", "2013-01-02T10:00Z", 99),
    )
    rows = compute(sources | {"outcomes": outcomes}, month)["origin_delay_features"]
    at_ten = rows[rows["known_at"] == pd.Timestamp("2013-01-02T10:00Z")]
    assert at_ten[list(ORIGIN_DELAY_FEATURES.features)].values.tolist() == [[0.5, 20.0, 2.0]]
    assert rows["known_at"].min() == pd.Timestamp("2013-01-02T07:00Z")
    assert rows["known_at"].max() == pd.Timestamp("2013-01-02T13:00Z")


@pytest.mark.parametrize("name", ["since", "as_of"])
def test_an_instant_without_a_zone_is_refused(spark: SparkSession, name: str) -> None:
    instants = {"since": BEGINNING, "as_of": MID_MONTH} | {name: datetime(2013, 1, 1)}
    with pytest.raises(InstantWithoutZoneError, match=name):
        ORIGIN_DELAY_FEATURES.compute(spark, str, **instants)
    with pytest.raises(InstantWithoutZoneError, match=name):
        ORIGIN_DELAY_FEATURES.expire(spark, "nowhere", **instants)


def test_keys_and_times_are_metadata_columns() -> None:
    assert PROBLEM.columns == (
        "flight_id", "carrier", "origin", "dest", "tailnum", "decision_at", "features_at",
    )  # fmt: skip
    assert PROBLEM.metadata_columns == ("flight_id", "tailnum", "decision_at", "features_at")


@dataclass
class Lookup:
    """A fake of FeatureLookup, which is only installed where tasks run."""

    table_name: str
    lookup_key: list[str]
    feature_names: list[str]
    timestamp_lookup_key: str | None
    lookback_window: timedelta | None


def test_lookups_have_keys_times_and_lookback_windows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = ModuleType("databricks.feature_engineering")
    monkeypatch.setattr(module, "FeatureLookup", Lookup, raising=False)
    monkeypatch.setattr(module, "FeatureFunction", None, raising=False)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    lookups = PROBLEM.look_ups(lambda name: f"c.s.{name}")
    found = {
        x.table_name: (x.lookup_key, x.timestamp_lookup_key, x.lookback_window) for x in lookups
    }
    assert found == {
        "c.s.weather_features": (["origin"], "features_at", timedelta(hours=6)),
        "c.s.route_delay_features": (
            ["carrier", "origin", "dest"],
            "features_at",
            timedelta(days=14),
        ),
        "c.s.origin_delay_features": (["origin"], "features_at", timedelta(hours=2)),
        "c.s.aircraft_features": (["tailnum"], None, None),
        "c.s.schedule_features": (list(KEYS), None, None),
    }
    looked_up = {name for x in lookups for name in x.feature_names}
    assert looked_up == {*PROBLEM.feature_columns} - {*PROBLEM.spine.features}
