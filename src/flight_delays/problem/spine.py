"""Flights to learn from and flights to score, as rows of keys and decision times."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from .features import DECISION_AT, LABEL, SPINE_FEATURES
from .sources import KEYS
from .split import Interval

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SPINE = tuple(dict.fromkeys((*KEYS, *SPINE_FEATURES, "tailnum", DECISION_AT)))

Qualify = Callable[[str], str]


def select_flights(spark: "SparkSession", qualify: Qualify, interval: Interval) -> "DataFrame":
    """Gives the flights decided within an interval.

    Returns:
        Columns `SPINE`, a row a flight.
    """
    columns = ", ".join(f"f.{column}" for column in SPINE)
    return spark.sql(
        f"SELECT {columns} FROM {qualify('flights')} f "
        "WHERE f.decision_at >= CAST(:start AS TIMESTAMP) "
        "AND f.decision_at < CAST(:end AS TIMESTAMP)",
        args={"start": interval.start.isoformat(), "end": interval.end.isoformat()},
    )


def select_labelled_flights(
    spark: "SparkSession", qualify: Qualify, interval: Interval, as_of: datetime
) -> "DataFrame":
    """Gives the flights decided within an interval whose label is known before `as_of`.

    Cancelled and diverted flights never arrive where they were bound: they have no label and
    are left out.

    Returns:
        Columns `SPINE` and the label, 0.0 or 1.0.
    """
    columns = ", ".join(f"f.{column}" for column in SPINE)
    same = " AND ".join(f"f.{key} = o.{key}" for key in KEYS)
    return spark.sql(
        f"SELECT {columns}, CAST(o.{LABEL} AS DOUBLE) AS {LABEL} "
        f"FROM {qualify('flights')} f JOIN {qualify('outcomes')} o ON {same} "
        "WHERE f.decision_at >= CAST(:start AS TIMESTAMP) "
        "AND f.decision_at < CAST(:end AS TIMESTAMP) "
        "AND o.status = 'landed' AND o.known_at < CAST(:as_of AS TIMESTAMP)",
        args={
            "start": interval.start.isoformat(),
            "end": interval.end.isoformat(),
            "as_of": as_of.isoformat(),
        },
    )


def count_flights_by_outcome(
    spark: "SparkSession", qualify: Qualify, interval: Interval, as_of: datetime
) -> dict[str, int]:
    """Counts the flights of an interval by how they ended; 'unknown' is not known by `as_of`."""
    same = " AND ".join(f"f.{key} = o.{key}" for key in KEYS)
    rows = spark.sql(
        "SELECT COALESCE(o.status, 'unknown') AS status, COUNT(*) AS flights "
        f"FROM {qualify('flights')} f LEFT JOIN {qualify('outcomes')} o "
        f"ON {same} AND o.known_at < CAST(:as_of AS TIMESTAMP) "
        "WHERE f.decision_at >= CAST(:start AS TIMESTAMP) "
        "AND f.decision_at < CAST(:end AS TIMESTAMP) GROUP BY 1 ORDER BY 1",
        args={
            "start": interval.start.isoformat(),
            "end": interval.end.isoformat(),
            "as_of": as_of.isoformat(),
        },
    ).collect()
    return {row["status"]: int(row["flights"]) for row in rows}
