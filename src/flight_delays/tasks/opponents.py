"""Who a version is compared with, and how both do on the same rows."""

from typing import TYPE_CHECKING

import pandas as pd

from ..lakehouse.context import Lakehouse
from ..lakehouse.registry import ModelVersion
from ..lakehouse.scoring import score
from ..lifecycle import Comparison, Policy, compare
from ..problem import PROBLEM

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def compare_with(
    scored: pd.DataFrame,
    rows: "DataFrame",
    champion: ModelVersion | None,
    policy: Policy,
    lakehouse: Lakehouse,
) -> Comparison:
    """Compare scored rows with what the champion, or the rule of thumb, says of them.

    Args:
        scored: The rows with labels, features and the version's predictions.
        rows: The same rows, not scored.
        champion: Who to compare with; where there is none, the rule of thumb stands in.
        policy: How to compare.
        lakehouse: The platform's clients.
    """
    if champion is None:
        incumbent = pd.Series(PROBLEM.rule_of_thumb(scored), index=scored.index)
    else:
        keys = list(PROBLEM.keys)
        other = score(lakehouse.feature_store, champion.uri, rows)
        # Rows come back in any order: they are brought together by what they are.
        incumbent = scored[keys].merge(
            other[[*keys, "prediction"]], on=keys, how="left", validate="one_to_one"
        )["prediction"]
    return compare(
        scored[PROBLEM.label.column],
        scored["prediction"],
        incumbent,
        kind=PROBLEM.kind,
        loss=policy.comparison.loss,
        # Rows of one day share what the day was like, and err together.
        blocks=scored[PROBLEM.spine.decision_at].dt.date,
        resamples=policy.comparison.resamples,
        confidence=policy.comparison.confidence,
        seed=policy.comparison.seed,
    )
