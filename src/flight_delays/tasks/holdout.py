"""The rows that a version is judged by, and those whose label is not known yet."""

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
from ..spec.selection import select_labelled_rows, select_open_rows
from ..spec.tables import WATERMARKS
from ..spec.windows import Interval, reach_batch, split_windows
from .parameters import in_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


# Column that says whether a row looks its features up as of the decision.
FRESH = "_fresh"
# Enough for rows without a label to find company decided within the same hours.
COMPANY = timedelta(days=2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Holdout:
    """The rows a version is judged by.

    Attributes:
        interval: When they were decided.
        rows: The rows with their labels.
        scored: The same with their features and what the version predicts.
        fresh: The same with features as fresh as the decision, in another order.
        open_rows: Rows whose label the tables do not have yet, with their features.
        closed_rows: Rows whose label they have, from the held-out window and from up to when the
            tables reach, with their features.
    """

    interval: Interval
    rows: "DataFrame"
    scored: pd.DataFrame
    fresh: pd.DataFrame
    open_rows: pd.DataFrame
    closed_rows: pd.DataFrame


def load_holdout(
    version: ModelVersion, policy: Policy, source: str, lakehouse: Lakehouse
) -> Holdout:
    """Return the rows held out from a version, and what it predicts of them."""
    from pyspark.sql import functions as F  # noqa: N812

    as_of, at = version.require_as_of(), PROBLEM.spine.decision_at
    interval = split_windows(as_of, policy.windows).holdout
    qualify = partial(in_schema, source)
    rows = select_labelled_rows(lakehouse.spark, PROBLEM, qualify, interval, as_of)
    scored = score(lakehouse.feature_store, version.uri, rows)
    # All at once: each time that rows are scored, every feature table is read.
    fresh = rows.withColumn(FEATURES_AT, F.col(at)).withColumn(FRESH, F.lit(True))
    later = select_latest_rows(as_of, policy.windows, source, lakehouse)
    later = later.withColumn(FRESH, F.lit(False))
    further = score(lakehouse.feature_store, version.uri, fresh.unionByName(later))
    is_fresh, is_open = further[FRESH], further[PROBLEM.label.column].isna()
    return Holdout(
        interval=interval,
        rows=rows,
        scored=scored,
        fresh=further[is_fresh],
        open_rows=further[~is_fresh & is_open],
        closed_rows=pd.concat([scored, further[~is_fresh & ~is_open]]),
    )


def select_latest_rows(
    as_of: datetime, windows: Windows, source: str, lakehouse: Lakehouse
) -> "DataFrame":
    """Return the rows whose label the tables do not have, and some later ones whose label they do.

    Where the tables reach beyond the instant that a version was trained as of, they say what
    happened to rows that were open then: those that are open now are taken, and as company for
    them those with a label that were decided shortly before.

    Returns:
        The problem's `columns` and the label, missing where it is not known.
    """
    from pyspark.sql import functions as F  # noqa: N812

    spark, qualify = lakehouse.spark, partial(in_schema, source)
    computed = read_watermarks(spark, qualify(WATERMARKS), COMPUTED)
    latest = max([as_of, *computed.values()])
    window = Interval(
        split_windows(latest, windows).holdout.start, reach_batch(latest, windows).end
    )
    rows = select_open_rows(spark, PROBLEM, qualify, window, latest)
    rows = rows.withColumn(PROBLEM.label.column, F.lit(None).cast("double"))
    if latest == as_of:
        return rows
    recent = Interval(max(as_of, latest - COMPANY), latest)
    return rows.unionByName(select_labelled_rows(spark, PROBLEM, qualify, recent, latest))
