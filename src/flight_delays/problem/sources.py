"""What is known up to an instant, as the tables that ingest writes.

Each reader takes the span `[since, as_of)` of UTC instants in which its rows became known, and
`shift_days`, by which all dates of the archive are moved. A row that was known to an earlier
`as_of` is the same at every later one, so tables only ever grow. Where dates are moved, the year
begins again when it has ended.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from ..spec import ColumnRule, Source
from .nycflights import load_flights, load_planes, load_weather
from .span import YEAR_DAYS, Span

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Midnight in New York: of the archive's 365 days, the first is left out when they begin again.
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
# In each case beyond what was ever observed in the region, so that only errors are out of range.
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
    """Read flights with their aircraft, which is assigned a day before departure.

    What a training set or a batch starts from; it reaches a day beyond `as_of`.
    """
    span = Span.of(since, as_of, shift_days)
    flights = load_flights()
    flights = span.cut(flights, flights["decision_at"] - ASSIGNED_AHEAD)
    return span.write(flights, FLIGHT_COLUMNS)


def read_schedule(since: datetime, as_of: datetime, shift_days: int) -> pd.DataFrame:
    """Read the timetable, which is published by whole hours a week ahead of `as_of`.

    `departure_minute` and `arrival_minute` are minutes of the local day at either end,
    `day_of_week` runs from 1 (Monday) at the origin, `distance` is in miles.
    """
    span = Span.of(since, as_of, shift_days)
    flights = load_flights()
    # A timetable cut within an hour would count too few departures in that hour.
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
    """Read how flights ended.

    A landed flight's outcome is known when it lands, to the minute: `arr_delay` in minutes, and
    `late` is 1 from 15 minutes on, else 0. A cancelled or diverted flight never arrives at its
    destination: it has neither, and counts as known a day after it should have arrived.
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
    """Read the weather at the origins; an observation is known an hour after its hour began.

    Temperatures in degrees Fahrenheit, humidity in percent, wind in degrees and miles an hour,
    precipitation in inches, pressure in millibars, visibility in miles.
    """
    span = Span.of(since, as_of, shift_days)
    weather = load_weather()
    weather = weather.assign(known_at=weather["time_hour"] + OBSERVATION_DELAY)
    return span.write(span.cut(weather, weather["known_at"]), WEATHER_COLUMNS)


def read_planes(since: datetime, as_of: datetime, shift_days: int) -> pd.DataFrame:
    """Read the register of aircraft, without those built after the year of `as_of`.

    The register is a still picture taken at the end of 2013: it is read whole each time, and what
    it says of an aircraft does not change in its life. `year_built` moves with the dates, so that
    ages stay.
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
    """Read a source, once for each year that has begun before `as_of` where dates are moved.

    So a project that is deployed with the sample has new rows for as long as it runs.

    Args:
        name: The source.
        at: Its column that says which year a row belongs to; None where rows have no time.
        since: Instant from which on rows became known.
        as_of: Exclusive instant up to which rows became known.
        shift_days: Days by which the dates of the first year are moved.
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
    """Declare a source that is read from the archive by its reader, through Arrow to Spark."""
    at = next((column for column in ("time_hour", "known_at") if column in columns), None)
    types = ", ".join(f"{column} {kind}" for column, kind in columns.items())

    def read(
        spark: "SparkSession", since: datetime, as_of: datetime, shift_days: int
    ) -> "DataFrame":
        known = read_years(name, at, since, as_of, shift_days)
        rows = pa.Table.from_pandas(known, preserve_index=False)
        # Of no rows, or of a column without values, Spark could not tell the types.
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
        # The register has no such aircraft; a look-up by a missing key would fail the request.
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
