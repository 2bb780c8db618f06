"""The sources: values, append-only growth and contiguous intervals."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from flight_delays.config.policy import BEGINNING
from flight_delays.errors import InstantWithoutZoneError
from flight_delays.problem.nycflights import (
    ZONES_NOT_IN_THE_ARCHIVE,
    ShiftError,
    load_flights,
)
from flight_delays.problem.sources import (
    KEYS,
    READERS,
    SOURCES,
    read_flights,
    read_outcomes,
    read_planes,
    read_schedule,
    read_weather,
)
from flight_delays.spec.tables import Source

AFTER_THE_YEAR = datetime(2014, 1, 3, tzinfo=UTC)
EACH_SOURCE = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
INSTANTS = (
    datetime(2012, 6, 1, tzinfo=UTC),
    datetime(2013, 1, 1, 12, 30, tzinfo=UTC),
    datetime(2013, 3, 10, 7, 2, tzinfo=UTC),
)


@pytest.fixture(scope="module")
def outcomes() -> pd.DataFrame:
    return read_outcomes(BEGINNING, AFTER_THE_YEAR, 0)


def test_read_flights_returns_each_flight_of_year_once() -> None:
    flights = read_flights(BEGINNING, AFTER_THE_YEAR, 0)
    assert len(flights) == 336_776
    assert not flights.duplicated(list(KEYS)).any()
    assert flights["tailnum"].isna().sum() == 2_512
    assert {type(tailnum) for tailnum in flights["tailnum"]} == {str, type(None)}


def test_outcomes_have_three_statuses(outcomes: pd.DataFrame) -> None:
    assert outcomes["status"].value_counts().to_dict() == {
        "landed": 327_346,
        "cancelled": 8_255,
        "diverted": 1_175,
    }


def test_only_landed_flights_have_label(
    outcomes: pd.DataFrame,
) -> None:
    landed = outcomes["status"] == "landed"
    assert outcomes.loc[~landed, ["arr_delay", "late"]].isna().all(axis=None)
    bounds = outcomes[landed].groupby("late")["arr_delay"].agg(["min", "max"])
    assert bounds["max"][0.0] == 14
    assert bounds["min"][1.0] == 15


def test_landing_times_match_recorded_delays() -> None:
    flights = load_flights()
    landed = flights[flights["arr_delay"].notna()]
    departed_at = landed["decision_at"] + pd.to_timedelta(landed["dep_delay"], unit="min")
    elapsed = (landed["landed_at"] - departed_at).dt.total_seconds() / 60
    assert (elapsed.min(), elapsed.max()) == (33, 738)
    late_by = (landed["landed_at"] - landed["scheduled_arrival_at"]).dt.total_seconds() / 60
    assert (late_by == landed["arr_delay"]).all()
    assert (landed["landed_at"] > landed["decision_at"]).all()


def test_arrival_times_use_zone_of_destination() -> None:
    schedule = read_schedule(BEGINNING, datetime(2013, 1, 2, tzinfo=UTC), 0)
    first_day = schedule[schedule["time_hour"] < pd.Timestamp("2013-01-01T12:00Z")]
    arrivals = first_day.set_index("flight")["scheduled_arrival_at"]
    assert arrivals[725] == pd.Timestamp("2013-01-01T14:22Z"), "10:22 in Puerto Rico"
    assert arrivals[1714] == pd.Timestamp("2013-01-01T14:30Z"), "8:30 in Houston"
    assert set(ZONES_NOT_IN_THE_ARCHIVE) <= set(load_flights()["dest"])


def test_arrival_across_dst_change_uses_offset_at_departure() -> None:
    outcomes = read_outcomes(BEGINNING, datetime(2013, 3, 11, tzinfo=UTC), 0)
    departed = outcomes["time_hour"] == pd.Timestamp("2013-03-10T02:00Z")
    flight = outcomes[departed & (outcomes["dest"] == "PBI") & (outcomes["arr_delay"] > 50)]
    assert flight["known_at"].tolist() == [pd.Timestamp("2013-03-10T07:03Z")]


def test_cancellation_is_known_a_day_after_scheduled_arrival(
    outcomes: pd.DataFrame,
) -> None:
    schedule = read_schedule(BEGINNING, AFTER_THE_YEAR, 0)[[*KEYS, "scheduled_arrival_at"]]
    closed = outcomes[outcomes["status"] != "landed"].merge(schedule, on=list(KEYS))
    assert len(closed) == 9_430
    assert (closed["known_at"] - closed["scheduled_arrival_at"] == timedelta(days=1)).all()


def test_weather_is_hourly_across_dst_change() -> None:
    weather = read_weather(BEGINNING, AFTER_THE_YEAR, 0)
    assert len(weather) == 26_115
    assert not weather.duplicated(["origin", "known_at"]).any()
    assert weather["known_at"].min() == pd.Timestamp("2013-01-01T07:00Z")
    night = weather[weather["known_at"].between("2013-11-03T06:00Z", "2013-11-03T08:00Z")]
    assert night.groupby("origin").size().to_dict() == {"EWR": 3, "JFK": 3, "LGA": 3}


def test_schedule_ends_a_week_ahead_at_full_hour() -> None:
    schedule = read_schedule(BEGINNING, datetime(2013, 3, 1, 12, 30, tzinfo=UTC), 0)
    assert schedule["time_hour"].max() == pd.Timestamp("2013-03-08T11:00Z")
    assert "tailnum" not in schedule
    assert "arr_delay" not in schedule


@EACH_SOURCE
@pytest.mark.parametrize("as_of", INSTANTS, ids=lambda as_of: as_of.isoformat())
def test_columns_have_declared_types_at_every_instant(source: Source, as_of: datetime) -> None:
    frame = READERS[source.name](BEGINNING, as_of, 0)
    types = {
        "TIMESTAMP": "datetime64[ns, UTC]",
        "STRING": "object",
        "BIGINT": "int64",
        "DOUBLE": "float64",
    }
    declared = {column: types[kind] for column, kind in source.columns.items()}
    assert {column: str(kind) for column, kind in frame.dtypes.items()} == declared
    assert not frame[list(source.primary_keys)].isna().any(axis=None)
    assert not frame.duplicated(list(source.primary_keys)).any()


@EACH_SOURCE
def test_known_rows_are_unchanged_at_later_as_of(source: Source) -> None:
    keys = list(source.primary_keys)
    read = READERS[source.name]
    later = read(BEGINNING, datetime(2013, 3, 15, 7, 13, tzinfo=UTC), 0)
    for as_of in INSTANTS[1:]:
        earlier = read(BEGINNING, as_of, 0)
        found = earlier[keys].merge(later, on=keys, how="left", validate="one_to_one")
        assert len(earlier) > 0
        pd.testing.assert_frame_equal(found, earlier)


@pytest.mark.parametrize(
    ("source", "column", "ahead"),
    [("flights", "decision_at", 24), ("outcomes", "known_at", 0), ("weather", "known_at", 0)],
)
def test_since_is_inclusive_and_as_of_exclusive(source: str, column: str, ahead: int) -> None:
    read = READERS[source]
    instant = read(BEGINNING, datetime(2013, 2, 1, tzinfo=UTC), 0)[column].max()
    known_at = instant.to_pydatetime() - timedelta(hours=ahead)
    before = read(BEGINNING, known_at, 0)
    after = read(known_at, known_at + timedelta(minutes=1), 0)
    assert before[column].max() < instant
    assert after[column].min() == after[column].max() == instant


@EACH_SOURCE
def test_reread_rows_are_the_same(source: Source) -> None:
    keys = list(source.primary_keys)
    since, until = datetime(2013, 3, 9, 7, 13, tzinfo=UTC), datetime(2013, 3, 11, tzinfo=UTC)
    again = READERS[source.name](since - timedelta(hours=24), until, 0)
    once = READERS[source.name](since, until, 0)
    found = once[keys].merge(again, on=keys, how="left", validate="one_to_one")
    assert 0 < len(once) <= len(again)
    pd.testing.assert_frame_equal(found, once)


@EACH_SOURCE
def test_empty_span_has_declared_types(source: Source, spark: SparkSession) -> None:
    at = datetime(2013, 6, 1, tzinfo=UTC)
    assert source.read is not None
    rows = source.read(spark, at, at - timedelta(days=200), 0)
    assert {column: kind.upper() for column, kind in rows.dtypes} == dict(source.columns)
    assert source.check(rows).count() == 0 or source.name == "planes"


def test_flights_are_known_a_day_ahead() -> None:
    as_of = datetime(2013, 3, 1, 12, 30, tzinfo=UTC)
    flights = read_flights(BEGINNING, as_of, 0)
    latest = flights["decision_at"].max()
    assert as_of + timedelta(hours=23) < latest < as_of + timedelta(hours=24)
    assert flights["tailnum"].tail(100).notna().any()


def test_flight_id_has_hour_carrier_number_and_origin() -> None:
    flights = read_flights(BEGINNING, datetime(2013, 1, 1, tzinfo=UTC), 0).set_index("flight")
    assert flights["flight_id"][1545] == "2013-01-01T10Z-UA-1545-EWR"


def test_planes_exclude_later_years() -> None:
    assert read_planes(BEGINNING, datetime(2012, 12, 31, tzinfo=UTC), 0)["year_built"].max() == 2012
    assert len(read_planes(BEGINNING, AFTER_THE_YEAR, 0)) == 3_322


@EACH_SOURCE
def test_shift_moves_only_dates(source: Source) -> None:
    shift = timedelta(days=13 * 364)
    as_of = datetime(2013, 2, 1, tzinfo=UTC)
    read = READERS[source.name]
    plain = read(BEGINNING, as_of, 0)
    shifted = read(BEGINNING, as_of + shift, shift.days)
    instants = plain.select_dtypes("datetimetz")
    moved = {str(column): instants[column] + shift for column in instants}
    if "flight_id" in plain:
        hours = moved["time_hour"].dt.strftime("%Y-%m-%dT%H")
        moved["flight_id"] = hours + plain["flight_id"].str.slice(len("2013-01-01T00"))
    if source.name == "planes":
        moved = {"year_built": plain["year_built"] + 13}
    assert moved
    pd.testing.assert_frame_equal(shifted, plain.assign(**moved))


@pytest.mark.parametrize("days", [-364, 1, 7, 182, 365])
def test_shift_must_be_multiple_of_364_days(days: int) -> None:
    with pytest.raises(ShiftError, match=rf"multiple of 364.* got {days}\b.*Use 0"):
        read_flights(BEGINNING, AFTER_THE_YEAR, days)


@EACH_SOURCE
def test_an_instant_without_a_zone_is_refused(source: Source) -> None:
    read, naive = READERS[source.name], datetime(2013, 1, 1)
    for since, as_of in ((BEGINNING, naive), (naive, AFTER_THE_YEAR)):
        with pytest.raises(InstantWithoutZoneError, match=r"time zone, got .*2013.* Pass it"):
            read(since, as_of, 0)
