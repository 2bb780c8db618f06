"""The feature tables, computed by Spark SQL from the tables that ingest writes.

A table with a time key has one row per instant at which new data became known. A row depends only
on data known by then and never changes. A table without a time key holds the timetable or the
aircraft register, both known before departure. Each query reads only as far back as the rows known
since `:since` require.
"""

from datetime import timedelta

from ..spec import FeatureTable
from .sources import KEYS, PUBLISHED_AHEAD

HOURLY = timedelta(hours=2)
DAILY = timedelta(hours=25)

WEATHER_FEATURES = FeatureTable(
    name="weather_features",
    primary_keys=("origin", "known_at"),
    timeseries_column="known_at",
    fresh_within=HOURLY,
    lookback=timedelta(hours=6),
    categorical=(),
    numerical=(
        "temperature",
        "dew_point",
        "humidity",
        "wind_direction",
        "wind_speed",
        "wind_gust",
        "precipitation",
        "precipitation_6h",
        "pressure",
        "visibility",
    ),
    description="Weather at an origin, as last observed, and the precipitation of six hours.",
    sql="""
SELECT
  origin,
  known_at,
  temp AS temperature,
  dewp AS dew_point,
  humid AS humidity,
  wind_dir AS wind_direction,
  wind_speed,
  wind_gust,
  precip AS precipitation,
  ROUND(
    SUM(precip) OVER (
      PARTITION BY origin ORDER BY unix_timestamp(known_at)
      RANGE BETWEEN 21599 PRECEDING AND CURRENT ROW
    ),
    2
  ) AS precipitation_6h,
  pressure,
  visib AS visibility
FROM {weather}
WHERE known_at > CAST(:since AS TIMESTAMP) - INTERVAL '6' HOURS
  AND known_at <= CAST(:as_of AS TIMESTAMP)
""",
)

ROUTE_DELAY_FEATURES = FeatureTable(
    name="route_delay_features",
    primary_keys=("carrier", "origin", "dest", "known_at"),
    timeseries_column="known_at",
    fresh_within=HOURLY,
    lookback=timedelta(days=14),
    categorical=(),
    numerical=("route_late_share_14d", "route_landed_14d"),
    description=(
        "A carrier on a route, at each landing: how many of its flights landed in the 14 days up "
        "to and including that instant, and the share of them that was late."
    ),
    sql="""
WITH landings AS (
  SELECT
    carrier, origin, dest, known_at,
    CAST(COUNT(*) AS DOUBLE) AS landed,
    SUM(late) AS late
  FROM {outcomes}
  WHERE status = 'landed' AND known_at <= CAST(:as_of AS TIMESTAMP)
    AND known_at > CAST(:since AS TIMESTAMP) - INTERVAL '14' DAYS
  GROUP BY carrier, origin, dest, known_at
),
sums AS (
  SELECT
    carrier, origin, dest, known_at,
    SUM(landed) OVER fortnight AS landed,
    SUM(late) OVER fortnight AS late
  FROM landings
  WINDOW fortnight AS (
    PARTITION BY carrier, origin, dest ORDER BY unix_timestamp(known_at)
    RANGE BETWEEN 1209599 PRECEDING AND CURRENT ROW
  )
)
SELECT
  carrier, origin, dest, known_at,
  late / landed AS route_late_share_14d,
  landed AS route_landed_14d
FROM sums
""",
)

ORIGIN_DELAY_FEATURES = FeatureTable(
    name="origin_delay_features",
    primary_keys=("origin", "known_at"),
    timeseries_column="known_at",
    fresh_within=HOURLY,
    lookback=timedelta(hours=2),
    categorical=(),
    numerical=("origin_late_share_3h", "origin_mean_delay_3h", "origin_landed_3h"),
    description=(
        "An origin, at each full hour: its flights that landed in the three hours before (from "
        "the first instant on, without the last), the share of them that was late, and their "
        "mean arrival delay in minutes, early arrivals counting as zero."
    ),
    sql="""
WITH landings AS (
  SELECT
    origin,
    unix_timestamp(known_at) DIV 3600 AS landing_hour,
    late,
    GREATEST(arr_delay, CAST(0 AS DOUBLE)) AS delay
  FROM {outcomes}
  WHERE status = 'landed' AND known_at >= CAST(:since AS TIMESTAMP) - INTERVAL '4' HOURS
),
counted AS (
  SELECT origin, landing_hour + hours_later AS known_hour, late, delay
  FROM landings LATERAL VIEW EXPLODE(ARRAY(1, 2, 3)) later AS hours_later
)
SELECT
  origin,
  timestamp_seconds(known_hour * 3600) AS known_at,
  AVG(late) AS origin_late_share_3h,
  AVG(delay) AS origin_mean_delay_3h,
  CAST(COUNT(*) AS DOUBLE) AS origin_landed_3h
FROM counted
WHERE timestamp_seconds(known_hour * 3600) <= CAST(:as_of AS TIMESTAMP)
GROUP BY origin, known_hour
""",
)

AIRCRAFT_FEATURES = FeatureTable(
    name="aircraft_features",
    primary_keys=("tailnum",),
    timeseries_column=None,
    fresh_within=DAILY,
    lookback=None,
    categorical=("manufacturer", "engine"),
    numerical=("year_built", "seats"),
    description="An aircraft of the register.",
    sql="""
SELECT
  tailnum,
  CASE
    WHEN manufacturer LIKE 'AIRBUS%' THEN 'AIRBUS'
    WHEN manufacturer LIKE '%DOUGLAS%' THEN 'MCDONNELL DOUGLAS'
    WHEN manufacturer LIKE 'CANADAIR%' THEN 'BOMBARDIER'
    WHEN manufacturer LIKE 'BOMBARDIER%' THEN 'BOMBARDIER'
    WHEN manufacturer IN ('BOEING', 'EMBRAER') THEN manufacturer
    ELSE 'OTHER'
  END AS manufacturer,
  engine,
  year_built,
  seats
FROM {planes}
""",
)

SCHEDULE_FEATURES = FeatureTable(
    name="schedule_features",
    primary_keys=KEYS,
    timeseries_column=None,
    fresh_within=DAILY,
    lookback=None,
    categorical=(),
    numerical=(
        "departure_minute",
        "arrival_minute",
        "day_of_week",
        "block_minutes",
        "distance",
        "origin_departures_in_hour",
    ),
    description=(
        "A flight in the timetable: local times, weekday, length, and how many departures its "
        "origin has scheduled within the same hour."
    ),
    sql=f"""
SELECT
  flight_id,
  CAST(departure_minute AS DOUBLE) AS departure_minute,
  CAST(arrival_minute AS DOUBLE) AS arrival_minute,
  CAST(day_of_week AS DOUBLE) AS day_of_week,
  CAST(unix_timestamp(scheduled_arrival_at) - unix_timestamp(decision_at) AS DOUBLE) / 60
    AS block_minutes,
  distance,
  CAST(COUNT(*) OVER (PARTITION BY origin, time_hour) AS DOUBLE) AS origin_departures_in_hour
FROM {{schedule}}
WHERE time_hour >= CAST(:since AS TIMESTAMP) + INTERVAL '{PUBLISHED_AHEAD.days - 1}' DAYS
""",
)

FEATURE_TABLES = (
    WEATHER_FEATURES,
    ROUTE_DELAY_FEATURES,
    ORIGIN_DELAY_FEATURES,
    AIRCRAFT_FEATURES,
    SCHEDULE_FEATURES,
)
