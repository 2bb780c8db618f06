"""Rows to learn from and rows to score: keys, decision times and what else is known at once."""

from datetime import datetime
from typing import TYPE_CHECKING

from ..lifecycle import Interval
from .problem import Problem
from .tables import Qualify

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def select_rows(
    spark: "SparkSession", problem: Problem, qualify: Qualify, interval: Interval
) -> "DataFrame":
    """Gives the rows decided within an interval.

    Returns:
        The problem's `columns`.
    """
    columns = ", ".join(f"s.{column}" for column in problem.columns)
    return spark.sql(
        f"SELECT {columns} FROM {qualify(problem.spine.source)} s WHERE {_decided(problem)}",
        args=_write_ends(interval),
    )


def select_labelled_rows(
    spark: "SparkSession", problem: Problem, qualify: Qualify, interval: Interval, as_of: datetime
) -> "DataFrame":
    """Gives the rows decided within an interval whose label is known before `as_of`.

    Returns:
        The problem's `columns` and the label, a double.
    """
    label = problem.label
    columns = ", ".join(f"s.{column}" for column in problem.columns)
    same = " AND ".join(f"s.{key} = l.{key}" for key in problem.keys)
    return spark.sql(
        f"SELECT {columns}, CAST(l.{label.column} AS DOUBLE) AS {label.column} "
        f"FROM {qualify(problem.spine.source)} s "
        f"JOIN (SELECT * FROM {qualify(label.source)} WHERE {label.where}) l ON {same} "
        f"WHERE {_decided(problem)} AND l.{label.known_at} < CAST(:as_of AS TIMESTAMP)",
        args={**_write_ends(interval), "as_of": as_of.isoformat()},
    )


def _decided(problem: Problem) -> str:
    at = f"s.{problem.spine.decision_at}"
    return f"{at} >= CAST(:start AS TIMESTAMP) AND {at} < CAST(:end AS TIMESTAMP)"


def _write_ends(interval: Interval) -> dict[str, str]:
    return {"start": interval.start.isoformat(), "end": interval.end.isoformat()}
