"""Who a version is compared with, and how both do on the same rows."""

from typing import TYPE_CHECKING

import pandas as pd

from ..config.policy import Policy
from ..evaluation.bootstrap import Comparison, compare
from ..lakehouse.context import Lakehouse
from ..lakehouse.scoring import score
from ..problem import PROBLEM
from ..promotion.model_version import ModelVersion

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def compare_with(
    scored: pd.DataFrame,
    rows: "DataFrame",
    champion: ModelVersion | None,
    policy: Policy,
    lakehouse: Lakehouse,
) -> Comparison:
    """Compare scored rows with what the champion, or the heuristic baseline, says of them.

    Args:
        scored: The rows with labels, features and the version's predictions.
        rows: The same rows, not scored.
        champion: Who to compare with; where there is none, the heuristic baseline.
        policy: How to compare.
        lakehouse: The platform's clients.
    """
    incumbent = predict_incumbent(scored, rows, champion, lakehouse)
    return compare_predictions(scored, incumbent, policy.comparison.loss, policy)


def predict_incumbent(
    scored: pd.DataFrame, rows: "DataFrame", champion: ModelVersion | None, lakehouse: Lakehouse
) -> pd.Series:
    """Return what the champion, or the heuristic baseline, says of scored rows, in their order."""
    if champion is None:
        return pd.Series(PROBLEM.heuristic_baseline(scored), index=scored.index)
    keys = list(PROBLEM.keys)
    other = score(lakehouse.feature_store, champion.uri, rows)
    # Rows come back in any order: they are brought together by what they are.
    return scored[keys].merge(
        other[[*keys, "prediction"]], on=keys, how="left", validate="one_to_one"
    )["prediction"]


def compare_predictions(
    scored: pd.DataFrame, incumbent: pd.Series, loss: str, policy: Policy
) -> Comparison:
    """Compare scored rows with another's predictions of them by a loss, as the policy says."""
    return compare(
        scored[PROBLEM.label.column],
        scored["prediction"],
        incumbent,
        model_type=PROBLEM.model_type,
        loss=loss,
        # Rows of one day share what the day was like, and err together.
        blocks=scored[PROBLEM.spine.decision_at].dt.date,
        resamples=policy.comparison.resamples,
        confidence=policy.comparison.confidence,
        seed=policy.comparison.seed,
    )
