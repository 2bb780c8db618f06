"""Held-out rows for the validation of a version, and rows without a label."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from ..config.loading import digest_training
from ..config.policy import Policy, Windows
from ..errors import UnusableInputError
from ..lakehouse.context import Lakehouse
from ..lakehouse.model_process import ask_version
from ..lakehouse.registry import score
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

# Column with the purpose of a row.
READ_FOR = "_read_for"
HELD_OUT, FRESH, LATER = "held out", "fresh", "later"
# Long enough to find labelled rows of the same hours of the day as the unlabelled ones.
COMPANY = timedelta(days=2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Holdout:
    """The rows held out from training, not yet read.

    Attributes:
        rows: The problem's `columns` and the label; at most about `max_rows` of the policy.
        max_rows: Maximum size of the sample.
    """

    interval: Interval
    rows: "DataFrame"
    total: int
    max_rows: int

    def __str__(self) -> str:
        """Return the window as text, with the sample size if it is sampled."""
        if self.total <= self.max_rows:
            return str(self.interval)
        return (
            f"{self.interval}; about {self.max_rows:,} of {self.total:,}, sampled within each day"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedRows:
    """Rows with features for the validation of a version.

    Attributes:
        held_out: The held-out rows with the features that a request would have found.
        fresh: The same with features as fresh as the decision.
        closed_rows: Labelled rows decided shortly before the open ones.
    """

    held_out: pd.DataFrame
    fresh: pd.DataFrame
    open_rows: pd.DataFrame
    closed_rows: pd.DataFrame


def select_training_rows(
    as_of: datetime, policy: Policy, source: str, lakehouse: Lakehouse
) -> tuple[Interval, "DataFrame"]:
    """Return the training window before an instant, and its rows with a label known in time."""
    split = split_windows(as_of, policy.windows, PROBLEM.label_maturity)
    qualify = partial(in_schema, source)
    rows = select_labelled_rows(
        lakehouse.spark, PROBLEM, qualify, split.training, split.learned_until
    )
    return split.training, rows


def load_holdout(as_of: datetime, policy: Policy, source: str, lakehouse: Lakehouse) -> Holdout:
    """Return the holdout of a model trained as of an instant."""
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
    """Return rows with point-in-time features, sorted by decision time."""
    found = lakehouse.feature_store.create_training_set(
        df=rows,
        feature_lookups=PROBLEM.look_ups(partial(in_schema, source)),
        label=PROBLEM.label.column,
        # Keys and times are needed for splits and slices.
        exclude_columns=[],
    )
    # Sorted, so that the same data give the same model.
    frame: pd.DataFrame = found.load_df().toPandas()
    return frame.sort_values([PROBLEM.spine.decision_at, *PROBLEM.keys], ignore_index=True)


def read_judged_rows(
    version: ModelVersion, holdout: Holdout, policy: Policy, source: str, lakehouse: Lakehouse
) -> JudgedRows:
    """Return held-out rows, also with fresh features, and open and closed rows.

    One look-up for all, since each reads every feature table.

    Raises:
        UnusableInputError: The holdout is empty.
    """
    from pyspark.sql import functions as F  # noqa: N812

    if not holdout.total:
        is_past = version.require_as_of() <= datetime.now(UTC)
        raise UnusableInputError(
            "The holdout",
            got=f"no row with a known label that was decided {holdout.interval}",
            allowed=f"{policy.validation.min_rows:,} rows or more",
            remedy=f"Run feature_refresh as of {version.require_as_of()}, or train as of an "
            "instant before which there are rows."
            if is_past
            else "Its as_of is in the future: train as of an instant that has passed.",
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
    """Return the held-out rows with features and a version's `prediction`, in a fixed order.

    A version that has not passed is queried in a separate process.

    Raises:
        UnusableInputError: It does not return one double for each row.
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
    """Return the latest rows without a label, and labelled ones decided shortly before them.

    They are the rows that are open now: the tables may have the labels of rows that were open when
    the version was trained.

    Returns:
        The problem's `columns` and the label, missing if not known.
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
    """Return the provenance of a version's validation on rows with at least keys and label."""
    return Provenance(
        digest=digest_training(policy),
        as_of=as_of,
        start=holdout.interval.start,
        end=holdout.interval.end,
        rows=len(rows),
        content=hash_rows(rows, [*PROBLEM.keys, PROBLEM.label.column]),
    )
