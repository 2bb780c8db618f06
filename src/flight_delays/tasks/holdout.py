"""The rows that a version is validated on, and rows whose label is not known yet."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from ..config.policy import Policy, Windows
from ..lakehouse.context import Lakehouse
from ..lakehouse.scoring import score
from ..lakehouse.watermarks import COMPUTED, read_watermarks
from ..problem import PROBLEM
from ..promotion.model_version import ModelVersion
from ..spec.problem import FEATURES_AT
from ..spec.selection import sample_days, select_labelled_rows, select_open_rows
from ..spec.tables import WATERMARKS
from ..spec.windows import Interval, reach_batch, split_windows
from .parameters import in_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Whether a row looks its features up as of the decision.
FRESH = "_fresh"
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
class OtherRows:
    """Further rows, scored by the same version.

    Attributes:
        fresh: The held-out rows with features as fresh as the decision.
        open_rows: Rows whose label the tables do not have yet, with their features.
        closed_rows: Rows decided shortly before those whose label they have.
    """

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
        lakehouse.spark, PROBLEM, partial(in_schema, source), interval, as_of
    )
    max_rows = policy.validation.max_rows
    sample, total = sample_days(rows, PROBLEM, max_rows)
    return Holdout(interval=interval, rows=sample, total=total, max_rows=max_rows)


def score_holdout(version: ModelVersion, holdout: Holdout, lakehouse: Lakehouse) -> pd.DataFrame:
    """Return the held-out rows with features and a version's `prediction`, in one order."""
    scored = score(lakehouse.feature_store, version.uri, holdout.rows)
    return scored.sort_values([PROBLEM.spine.decision_at, *PROBLEM.keys], ignore_index=True)


def score_other_rows(
    version: ModelVersion, holdout: Holdout, policy: Policy, source: str, lakehouse: Lakehouse
) -> OtherRows:
    """Score the held-out rows with fresh features, and rows that are open or just closed.

    All at once: each time that rows are scored, every feature table is read.
    """
    from pyspark.sql import functions as F  # noqa: N812

    decided_at = F.col(PROBLEM.spine.decision_at)
    fresh = holdout.rows.withColumn(FEATURES_AT, decided_at).withColumn(FRESH, F.lit(True))
    later = select_latest_rows(version.require_as_of(), policy.windows, source, lakehouse)
    later = later.withColumn(FRESH, F.lit(False))
    scored = score(lakehouse.feature_store, version.uri, fresh.unionByName(later))
    is_fresh, is_open = scored[FRESH], scored[PROBLEM.label.column].isna()
    return OtherRows(
        fresh=scored[is_fresh],
        open_rows=scored[~is_fresh & is_open],
        closed_rows=scored[~is_fresh & ~is_open],
    )


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
