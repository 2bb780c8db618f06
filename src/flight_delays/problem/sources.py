"""The source tables that ingest writes.

Each reader takes the interval `[since, as_of)` (UTC) in which its rows became known, and
`shift_days`, by which all dates of the archive are moved. A row never changes once it is known, so
tables are append-only. If dates are moved, the year repeats when it has ended.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from ..spec import ColumnRule, Source
from .nycflights import YEAR_DAYS, Span, load_flights, load_planes, load_weather

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Midnight in New York. A repeated year has 364 days: the first day is omitted.
SECOND_DAY = datetime(2013, 1, 2, 5, tzinfo=UTC)
LATE_MINUTES = 15
PUBLISHED_AHEAD = timedelta(days=7)
ASSIGNED_AHEAD = timedelta(days=1)
BOOKS_CLOSE_AFTER = timedelta(days=1)
OBSERVATION_DELAY = timedelta(hours=1)
NO_AIRCRAFT = "unknown"

KEYS = ("flight_id",)
FLIGHT_KEY_COLUMNS = {
    "flight_id": "STRING",
    "time_hour": "TIMESTAMP",
    "carrier": "STRING",
    "flight": "BIGINT",
    "origin": "STRING",
}


FLIGHT_COLUMNS = FLIGHT_KEY_COLUMNS | {
    "dest": "STRING",
    "tailnum": "STRING",
    "decision_at": "TIMESTAMP",
}
SCHEDULE_COLUMNS = FLIGHT_KEY_COLUMNS | {
    "dest": "STRING",
    "decision_at": "TIMESTAMP",
    "scheduled_arrival_at": "TIMESTAMP",
    "departure_minute": "BIGINT",
    "arrival_minute": "BIGINT",
    "day_of_week": "BIGINT",
    "distance": "DOUBLE",
}
OUTCOME_COLUMNS = FLIGHT_KEY_COLUMNS | {
    "dest": "STRING",
    "status": "STRING",
    "known_at": "TIMESTAMP",
    "arr_delay": "DOUBLE",
    "late": "DOUBLE",
}
WEATHER_COLUMNS = {
    "origin": "STRING",
    "known_at": "TIMESTAMP",
    "temp": "DOUBLE",
    "dewp": "DOUBLE",
    "humid": "DOUBLE",
    "wind_dir": "DOUBLE",
    "wind_speed": "DOUBLE",
    "wind_gust": "DOUBLE",
    "precip": "DOUBLE",
    "pressure": "DOUBLE",
    "visib": "DOUBLE",
}
PLANE_COLUMNS = {
    "tailnum": "STRING",
    "year_built": "DOUBLE",
    "manufacturer": "STRING",
    "seats": "DOUBLE",
    "engine": "STRING",
}
REQUIRED = ColumnRule(required=True)
ORIGIN = ColumnRule(required=True, allowed=("EWR", "JFK", "LGA"))
NUMBERED = {
    "time_hour": REQUIRED,
    "carrier": REQUIRED,
    "flight": ColumnRule(required=True, min=1, max=9999),
    "origin": ORIGIN,
    "dest": REQUIRED,
}
FLIGHT_RULES = NUMBERED | {"decision_at": REQUIRED}
SCHEDULE_RULES = FLIGHT_RULES | {
    "scheduled_arrival_at": REQUIRED,
    "departure_minute": ColumnRule(required=True, min=0, max=1440),
    "arrival_minute": ColumnRule(required=True, min=0, max=1440),
    "day_of_week": ColumnRule(required=True, min=1, max=7),
    # Miles; Newark and LaGuardia are 17 apart, New York and Honolulu 4,983.
    "distance": ColumnRule(required=True, min=10, max=6000),
}
OUTCOME_RULES = NUMBERED | {
    "status": ColumnRule(required=True, allowed=("landed", "cancelled", "diverted")),
    "known_at": REQUIRED,
    # Minutes: two hours early, two days late.
    "arr_delay": ColumnRule(min=-120, max=2880),
    "late": ColumnRule(min=0, max=1),
}
# Wider than any observation in the region, so that only errors are out of range.
WEATHER_RULES = {
    "origin": ORIGIN,
    "temp": ColumnRule(min=-40, max=120),
    "dewp": ColumnRule(min=-60, max=100),
    "humid": ColumnRule(min=0, max=100),
    "wind_dir": ColumnRule(min=0, max=360),
    "wind_speed": ColumnRule(min=0, max=150),
    "wind_gust": ColumnRule(min=0, max=200),
    "precip": ColumnRule(min=0, max=10),
    "pressure": ColumnRule(min=900, max=1100),
    "visib": ColumnRule(min=0, max=100),
}
PLANE_RULES = {
    "year_built": ColumnRule(min=1930),
    "manufacturer": REQUIRED,
    "seats": ColumnRule(required=True, min=1, max=900),
    "engine": REQUIRED,
}


def read_flights(since: datetime, as_of: datetime, shift_days: int) -> pd.DataFrame:
    """Return the flights with their aircraft, which is assigned a day before departure.

    This is the spine; it reaches a day beyond `as_of`.
    """
    span = Span.of(since, as_of, shift_days)
    flights = load_flights()
    flights = span.cut(flights, flights["decision_at"] - ASSIGNED_AHEAD)
    return span.write(flights, FLIGHT_COLUMNS)


def read_schedule(since: datetime, as_of: datetime, shift_days: int) -> pd.DataFrame:
    """Return the timetable, which is published by whole hours a week ahead of `as_of`.

    `departure_minute` and `arrival_minute` are minutes of the local day at origin and destination,
    `day_of_week` is 1 for Monday at the origin, `distance` is in miles.
    """
    span = Span.of(since, as_of, shift_days)
    flights = load_flights()
    # A partial hour would have too few departures.
    flights = span.cut(flights, flights["time_hour"] - PUBLISHED_AHEAD, whole="h")
    arrival = flights["sched_arr_time"].astype("int64")
    local = flights["time_hour"].dt.tz_convert("America/New_York")
    schedule = flights.assign(
        departure_minute=flights["hour"] * 60 + flights["minute"],
        arrival_minute=arrival // 100 * 60 + arrival % 100,
        day_of_week=local.dt.dayofweek.astype("int64") + 1,
    )
    return span.write(schedule, SCHEDULE_COLUMNS)


def read_outcomes(since: datetime, as_of: datetime, shift_days: int) -> pd.DataFrame:
    """Return the outcomes of flights.

    The outcome of a landed flight is known when it lands: `arr_delay` in minutes, and `late`, 1
    from 15 minutes, else 0. A cancelled or diverted flight has neither; its outcome is known a day
    after its scheduled arrival.
    """
    span = Span.of(since, as_of, shift_days)
    flights = load_flights()
    landed = flights["arr_delay"].notna()
    closed_at = flights["scheduled_arrival_at"] + BOOKS_CLOSE_AFTER
    known_at = flights["landed_at"].where(landed, closed_at)
    flights = span.cut(flights.assign(known_at=known_at), known_at)
    landed = flights["arr_delay"].notna()
    status = pd.Series("landed", index=flights.index, dtype=object)
    status[~landed] = "diverted"
    status[flights["dep_delay"].isna()] = "cancelled"
    outcomes = flights.assign(
        status=status,
        late=(flights["arr_delay"] >= LATE_MINUTES).astype("float64").where(landed),
    )
    return span.write(outcomes, OUTCOME_COLUMNS)


def read_weather(since: datetime, as_of: datetime, shift_days: int) -> pd.DataFrame:
    """Return the weather at the origins; an observation is known an hour after its hour began.

    Temperatures in degrees Fahrenheit, humidity in percent, wind in degrees and miles per hour,
    precipitation in inches, pressure in millibars, visibility in miles.
    """
    span = Span.of(since, as_of, shift_days)
    weather = load_weather()
    weather = weather.assign(known_at=weather["time_hour"] + OBSERVATION_DELAY)
    return span.write(span.cut(weather, weather["known_at"]), WEATHER_COLUMNS)


def read_planes(since: datetime, as_of: datetime, shift_days: int) -> pd.DataFrame:
    """Return the aircraft register, without aircraft built after the year of `as_of`.

    The register is a snapshot of the end of 2013 and is read as a whole. `year_built` moves with
    the dates, so that ages stay the same.
    """
    span = Span.of(since, as_of, shift_days)
    planes = load_planes()
    planes = planes[~(planes["year"] > span.end.year)]
    moved = planes["year"] + shift_days // YEAR_DAYS
    return planes.assign(year_built=moved)[list(PLANE_COLUMNS)].reset_index(drop=True)


READERS: Mapping[str, Callable[[datetime, datetime, int], pd.DataFrame]] = {
    "flights": read_flights,
    "schedule": read_schedule,
    "outcomes": read_outcomes,
    "weather": read_weather,
    "planes": read_planes,
}


def read_years(
    name: str, at: str | None, since: datetime, as_of: datetime, shift_days: int
) -> pd.DataFrame:
    """Return the rows of a source; if dates are moved, the year repeats until `as_of`.

    A deployed sample therefore always has new rows.

    `at` is the source's time column, None if rows have no time; the dates of the first year are
    moved by `shift_days`.
    """
    years = [READERS[name](since, as_of, shift_days)]
    if at is None or not shift_days:
        return years[0]
    moved = timedelta(days=shift_days + YEAR_DAYS)
    while SECOND_DAY + moved < as_of + PUBLISHED_AHEAD:
        year = READERS[name](since, as_of, moved.days)
        years.append(year[year[at] >= SECOND_DAY + moved])
        moved += timedelta(days=YEAR_DAYS)
    return pd.concat([year for year in years if len(year)] or years, ignore_index=True)


def declare(
    name: str,
    primary_keys: tuple[str, ...],
    columns: Mapping[str, str],
    description: str,
    rules: Mapping[str, ColumnRule],
    dated_by: str | None = None,
    fill: Mapping[str, str] | None = None,
) -> Source:
    """Return a source whose rows its reader takes from the archive."""
    at = next((column for column in ("time_hour", "known_at") if column in columns), None)
    types = ", ".join(f"{column} {kind}" for column, kind in columns.items())

    def read(
        spark: "SparkSession", since: datetime, as_of: datetime, shift_days: int
    ) -> "DataFrame":
        known = read_years(name, at, since, as_of, shift_days)
        rows = pa.Table.from_pandas(known, preserve_index=False)
        # Spark cannot infer types from empty columns.
        return spark.createDataFrame(rows, schema=types)

    return Source(
        name=name,
        primary_keys=primary_keys,
        columns=columns,
        description=description,
        read=read,
        rules=rules,
        dated_by=dated_by,
        fill=fill or {},
    )


SOURCES = (
    declare(
        "flights",
        KEYS,
        FLIGHT_COLUMNS,
        "A flight, up to a day ahead: its aircraft and the instant of the decision.",
        FLIGHT_RULES,
        "decision_at",
        # A look-up by a null key fails the request. No aircraft has this key.
        fill={"tailnum": NO_AIRCRAFT},
    ),
    declare(
        "schedule",
        KEYS,
        SCHEDULE_COLUMNS,
        "A flight in the published timetable, up to a week ahead.",
        SCHEDULE_RULES,
        "time_hour",
    ),
    declare(
        "outcomes",
        KEYS,
        OUTCOME_COLUMNS,
        "How a flight ended (landed, cancelled, diverted) and since when that is known.",
        OUTCOME_RULES,
        "known_at",
    ),
    declare(
        "weather",
        ("origin", "known_at"),
        WEATHER_COLUMNS,
        "An hour's weather at an origin and since when it is known.",
        WEATHER_RULES,
        "known_at",
    ),
    declare(
        "planes",
        ("tailnum",),
        PLANE_COLUMNS,
        "An aircraft of the register.",
        PLANE_RULES,
    ),
)
