"""The rows that a version is validated on, and rows whose label is not known yet."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from ..config.digest import digest_training
from ..config.policy import Policy, Windows
from ..errors import UnusableInputError
from ..lakehouse.context import Lakehouse
from ..lakehouse.model_process import ask_version
from ..lakehouse.scoring import score
from ..lakehouse.watermarks import COMPUTED, read_watermarks
from ..problem import PROBLEM
from ..promotion.answers import Question
from ..promotion.behaviour import ALL
from ..promotion.decide import Passed
from ..promotion.model_version import ModelVersion
from ..promotion.provenance import Provenance, hash_rows
from ..spec.problem import FEATURES_AT
from ..spec.selection import sample_days, select_labelled_rows, select_open_rows
from ..spec.tables import WATERMARKS
from ..spec.windows import Interval, reach_batch, split_windows
from .parameters import in_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# What a row is read for.
READ_FOR = "_read_for"
HELD_OUT, FRESH, LATER = "held out", "fresh", "later"
# Long enough for rows without a label to find labelled ones decided within the same hours.
COMPANY = timedelta(days=2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Holdout:
    """The rows held out from training, not yet read.

    Attributes:
        interval: When they were decided.
        rows: The problem's `columns` and the label; at most about `max_rows` of the policy.
        total: How many rows the window has.
        max_rows: The most that are measured.
    """

    interval: Interval
    rows: "DataFrame"
    total: int
    max_rows: int

    def __str__(self) -> str:
        """Return the window as text, with the sample where there is one."""
        if self.total <= self.max_rows:
            return str(self.interval)
        return (
            f"{self.interval}; about {self.max_rows:,} of {self.total:,}, sampled within each day"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedRows:
    """Rows with their features that a version is judged by.

    Attributes:
        held_out: The held-out rows, as a request would have seen them.
        fresh: The same with features as fresh as the decision.
        open_rows: Rows whose label the tables do not have yet.
        closed_rows: Rows decided shortly before those whose label they have.
    """

    held_out: pd.DataFrame
    fresh: pd.DataFrame
    open_rows: pd.DataFrame
    closed_rows: pd.DataFrame


def select_training_rows(
    as_of: datetime, policy: Policy, source: str, lakehouse: Lakehouse
) -> tuple[Interval, "DataFrame"]:
    """Return the training window before an instant, and its rows whose label was known in time."""
    split = split_windows(as_of, policy.windows, PROBLEM.label_maturity)
    qualify = partial(in_schema, source)
    rows = select_labelled_rows(
        lakehouse.spark, PROBLEM, qualify, split.training, split.learned_until
    )
    return split.training, rows


def load_holdout(as_of: datetime, policy: Policy, source: str, lakehouse: Lakehouse) -> Holdout:
    """Return the rows held out from a model that is trained as of an instant."""
    interval = split_windows(as_of, policy.windows, PROBLEM.label_maturity).holdout
    rows = select_labelled_rows(
        lakehouse.spark,
        PROBLEM,
        partial(in_schema, source),
        interval,
        as_of,
        policy.validation.slice_columns,
    )
    max_rows = policy.validation.max_rows
    sample, total = sample_days(rows, PROBLEM, max_rows)
    return Holdout(interval=interval, rows=sample, total=total, max_rows=max_rows)


def look_up(rows: "DataFrame", source: str, lakehouse: Lakehouse) -> pd.DataFrame:
    """Return rows with the features that were known for each, by the time of decision."""
    found = lakehouse.feature_store.create_training_set(
        df=rows,
        feature_lookups=PROBLEM.look_ups(partial(in_schema, source)),
        label=PROBLEM.label.column,
        # Keys and times are no features, but rows are divided and sliced by them.
        exclude_columns=[],
    )
    # Rows come in any order; in one order the same data makes the same model.
    frame: pd.DataFrame = found.load_df().toPandas()
    return frame.sort_values([PROBLEM.spine.decision_at, *PROBLEM.keys], ignore_index=True)


def read_judged_rows(
    version: ModelVersion, holdout: Holdout, policy: Policy, source: str, lakehouse: Lakehouse
) -> JudgedRows:
    """Return held-out rows, also with fresh features, and rows that are open or just closed.

    All at once: each time that rows are looked up, every feature table is read.

    Raises:
        UnusableInputError: No row was held out.
    """
    from pyspark.sql import functions as F  # noqa: N812

    if not holdout.total:
        raise UnusableInputError(
            "The holdout",
            got=f"no row with a known label that was decided {holdout.interval}",
            allowed=f"{policy.validation.min_rows:,} rows or more",
            remedy=f"Run feature_refresh as of {version.require_as_of()}, or train as of an "
            "instant before which there are rows.",
        )
    decided_at = F.col(PROBLEM.spine.decision_at)
    fresh = holdout.rows.withColumn(FEATURES_AT, decided_at).withColumn(READ_FOR, F.lit(FRESH))
    later = select_latest_rows(version.require_as_of(), policy.windows, source, lakehouse)
    later = later.withColumn(READ_FOR, F.lit(LATER))
    for column, kind in holdout.rows.dtypes:
        if column not in later.columns:
            later = later.withColumn(column, F.lit(None).cast(kind))
    rows = holdout.rows.withColumn(READ_FOR, F.lit(HELD_OUT))
    found = look_up(rows.unionByName(fresh).unionByName(later), source, lakehouse)
    parts = {
        name: found[found[READ_FOR] == name].drop(columns=READ_FOR).reset_index(drop=True)
        for name in (HELD_OUT, FRESH, LATER)
    }
    is_open = parts[LATER][PROBLEM.label.column].isna()
    return JudgedRows(
        held_out=parts[HELD_OUT],
        fresh=parts[FRESH],
        open_rows=parts[LATER][is_open],
        closed_rows=parts[LATER][~is_open],
    )


def score_holdout(
    version: ModelVersion, holdout: Holdout, policy: Policy, source: str, lakehouse: Lakehouse
) -> pd.DataFrame:
    """Return the held-out rows with features and a version's `prediction`, in one order.

    A version that has not passed is asked in a process of its own.

    Raises:
        UnusableInputError: Such a version does not answer with a double a row.
    """
    if version.status == Passed.status:
        scored = score(lakehouse.feature_store, version.uri, holdout.rows)
        return scored.sort_values([PROBLEM.spine.decision_at, *PROBLEM.keys], ignore_index=True)
    rows = look_up(holdout.rows, source, lakehouse)
    question = Question(name=ALL, rows=rows[list(PROBLEM.feature_columns)])
    limit = policy.validation.max_seconds_per_row
    answers = ask_version(version.uri, [question], seconds_per_row=limit)
    answer = answers.given.get(ALL)
    if answer is None or answer.values is None:
        reason = answers.failure or (answer and (answer.error or answer.form)) or "no answer"
        raise UnusableInputError(
            f"The predictions of version {version.version} of {version.model}",
            got=reason,
            allowed="one double a row",
            remedy="Run validate on it: its page says more.",
        )
    return rows.assign(prediction=answer.values)


def select_latest_rows(
    as_of: datetime, windows: Windows, source: str, lakehouse: Lakehouse
) -> "DataFrame":
    """Return the rows whose label the tables do not have, and some later ones whose label they do.

    Where the tables reach beyond the instant that a version was trained as of, they have the
    outcome of rows that were open then: those that are open now are taken, and to compare them
    with, labelled ones that were decided shortly before.

    Returns:
        The problem's `columns` and the label, missing where it is not known.
    """
    from pyspark.sql import functions as F  # noqa: N812

    spark, qualify = lakehouse.spark, partial(in_schema, source)
    computed = read_watermarks(spark, qualify(WATERMARKS), COMPUTED)
    latest = max([as_of, *computed.values()])
    start = split_windows(latest, windows, PROBLEM.label_maturity).holdout.start
    window = Interval(start, reach_batch(latest, windows).end)
    rows = select_open_rows(spark, PROBLEM, qualify, window, latest)
    rows = rows.withColumn(PROBLEM.label.column, F.lit(None).cast("double"))
    if latest == as_of:
        return rows
    recent = Interval(max(as_of, latest - COMPANY), latest)
    return rows.unionByName(select_labelled_rows(spark, PROBLEM, qualify, recent, latest))


def trace_judgement(
    as_of: datetime, policy: str, holdout: Holdout, rows: pd.DataFrame
) -> Provenance:
    """Return what a version is judged by.

    Args:
        as_of: The instant as of which it was trained.
        policy: Name of the policy file.
        holdout: The held-out rows.
        rows: The same, read, with keys and label at least.
    """
    return Provenance(
        digest=digest_training(policy),
        as_of=as_of,
        start=holdout.interval.start,
        end=holdout.interval.end,
        rows=len(rows),
        content=hash_rows(rows, [*PROBLEM.keys, PROBLEM.label.column]),
    )
