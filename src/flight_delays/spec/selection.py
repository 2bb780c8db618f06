"""Select the rows to train on and to score: keys, decision times and features of the spine."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from ..errors import UnusableInputError
from .problem import FEATURES_AT, Problem
from .tables import Qualify
from .windows import Interval

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def select_rows(
    spark: "SparkSession",
    problem: Problem,
    qualify: Qualify,
    interval: Interval | None,
    known_by: datetime | None = None,
) -> "DataFrame":
    """Return the problem's `columns` of the rows decided within an interval.

    Without an interval, all rows. Features of decisions in the future are looked up as of
    `known_by`.
    """
    columns, spine = _write_columns(problem, known_by), qualify(problem.spine.source)
    rows = f"SELECT {columns} FROM {spine} s"
    if interval is None:
        return spark.sql(rows)
    return spark.sql(f"{rows} WHERE {_decided(problem)}", args=_write_ends(interval))


def select_labelled_rows(
    spark: "SparkSession",
    problem: Problem,
    qualify: Qualify,
    interval: Interval,
    as_of: datetime,
    extra: Iterable[str] = (),
) -> "DataFrame":
    """Return the rows decided within an interval whose label is known before `as_of`.

    `extra` are further columns, such as slice columns (see `find_columns`); the problem's `columns`
    and looked-up features are not added again.

    Returns:
        The problem's `columns`, the label as a double, and the further columns, null if their
        source has no such row.

    Raises:
        UnusableInputError: A further column does not exist.
    """
    label, spine = problem.label, problem.spine.source
    found = find_columns(problem, extra)
    joined = [name for name in dict.fromkeys(found.values()) if name != spine]
    aliases = {spine: "s", **{name: f"e{number}" for number, name in enumerate(joined)}}
    further = "".join(f", {aliases[source]}.{column}" for column, source in found.items())
    joins = "".join(
        f"LEFT JOIN {qualify(name)} {aliases[name]} ON "
        + " AND ".join(
            f"s.{key} = {aliases[name]}.{key}" for key in problem.require_source(name).primary_keys
        )
        + " "
        for name in joined
    )
    columns = _write_columns(problem, None)
    same = " AND ".join(f"s.{key} = l.{key}" for key in problem.keys)
    return spark.sql(
        f"SELECT {columns}, CAST(l.{label.column} AS DOUBLE) AS {label.column}{further} "
        f"FROM {qualify(spine)} s "
        f"JOIN (SELECT * FROM {qualify(label.source)} WHERE {label.where}) l ON {same} "
        f"{joins}WHERE {_decided(problem)} AND l.{label.known_at} < CAST(:as_of AS TIMESTAMP)",
        args={**_write_ends(interval), "as_of": as_of.isoformat()},
    )


def find_columns(problem: Problem, wanted: Iterable[str]) -> Mapping[str, str]:
    """Return the source of each column that rows do not have yet.

    It is the spine's source, or else the first declared source whose primary keys the spine's
    source has. Columns of the label's source are excluded: they are known only after the decision.

    Raises:
        UnusableInputError: A column does not exist.
    """
    spine, label = problem.spine.source, problem.label.source
    own = problem.require_source(spine).columns
    others = [
        source
        for source in problem.sources
        if source.name not in (spine, label) and set(source.primary_keys) <= set(own)
    ]
    sources = {column: source.name for source in reversed(others) for column in source.columns}
    sources |= dict.fromkeys(own, spine)
    known = {*problem.columns, *problem.feature_columns}
    wanted = list(dict.fromkeys(wanted))
    unknown = [each for each in wanted if each not in sources and each not in known]
    if problem.label.column in wanted:
        unknown.append(problem.label.column)
    if unknown:
        raise UnusableInputError(
            "validation.slices.columns",
            got=", ".join(dict.fromkeys(unknown)),
            allowed=f"a column of the source {spine}, of another source whose primary keys it has, "
            f"or a feature: {', '.join(sorted({*sources, *known}))}",
            remedy="Correct the name in the policy, or leave the column out.",
        )
    return {each: sources[each] for each in wanted if each not in known}


def select_open_rows(
    spark: "SparkSession", problem: Problem, qualify: Qualify, interval: Interval, as_of: datetime
) -> "DataFrame":
    """Return the rows decided within an interval whose outcome is not known by `as_of`.

    Returns:
        The problem's `columns`.
    """
    label = problem.label
    columns = _write_columns(problem, as_of)
    same = " AND ".join(f"s.{key} = l.{key}" for key in problem.keys)
    return spark.sql(
        f"SELECT {columns} FROM {qualify(problem.spine.source)} s "
        f"LEFT ANTI JOIN (SELECT * FROM {qualify(label.source)} "
        f"WHERE {label.known_at} < CAST(:as_of AS TIMESTAMP)) l ON {same} "
        f"WHERE {_decided(problem)}",
        args={**_write_ends(interval), "as_of": as_of.isoformat()},
    )


def select_asked_rows(
    spark: "SparkSession", problem: Problem, qualify: Qualify, asked: str, before: datetime
) -> "DataFrame":
    """Return requested rows as training would read them.

    `asked` is a view with `row_id` and keys of the requested rows; decisions are before `before`.

    Returns:
        `row_id` and the problem's `columns`: one row for each instant, up to the decision, as of
        which the request may have found its features.
    """
    at = f"s.{problem.spine.decision_at}"
    columns = ", ".join(f"s.{name}" for name in problem.columns if name != FEATURES_AT)
    same = " AND ".join(f"s.{key} = a.{key}" for key in problem.keys)
    return spark.sql(
        " UNION ALL ".join(
            f"SELECT a.row_id, {columns}, {instant} AS {FEATURES_AT} FROM {asked} a "
            f"JOIN {qualify(problem.spine.source)} s ON {same} "
            f"WHERE {at} < TIMESTAMP '{before.isoformat()}' AND {instant} <= {at}"
            for instant in problem.refresh.write_instants(at)
        )
    )


def sample_days(rows: "DataFrame", problem: Problem, max_rows: int) -> tuple["DataFrame", int]:
    """Return about `max_rows` rows, sampled within each day, rounded up, by a hash of their keys.

    Returns:
        The sample, which is deterministic, and the total number of rows.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F  # noqa: N812

    total = rows.count()
    if total <= max_rows:
        return rows, total
    keys = F.concat_ws("|", *(F.col(key).cast("string") for key in problem.keys))
    day = Window.partitionBy(F.to_date(problem.spine.decision_at))
    position = F.row_number().over(day.orderBy(F.md5(keys)))
    kept = F.ceil(F.count("*").over(day) * F.lit(max_rows / total))
    ranked = rows.withColumns({"_position": position, "_kept": kept})
    return ranked.where("_position <= _kept").drop("_position", "_kept"), total


def _write_columns(problem: Problem, known_by: datetime | None) -> str:
    features_at = problem.refresh.write_instant(f"s.{problem.spine.decision_at}")
    if known_by is not None:
        features_at = f"least({features_at}, TIMESTAMP '{known_by.isoformat()}')"
    columns = (f"s.{column}" for column in problem.columns if column != FEATURES_AT)
    return ", ".join((*columns, f"{features_at} AS {FEATURES_AT}"))


def _decided(problem: Problem) -> str:
    at = f"s.{problem.spine.decision_at}"
    return f"{at} >= CAST(:start AS TIMESTAMP) AND {at} < CAST(:end AS TIMESTAMP)"


def _write_ends(interval: Interval) -> dict[str, str]:
    return {"start": interval.start.isoformat(), "end": interval.end.isoformat()}
