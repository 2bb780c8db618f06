"""Compare a version with its incumbent: the Champion, or the heuristic baseline."""

import pandas as pd

from ..config.policy import Policy
from ..evaluation.bootstrap import Comparison, compare
from ..lakehouse.context import Lakehouse
from ..lakehouse.scoring import score
from ..problem import PROBLEM
from ..promotion.model_version import ModelVersion
from .holdout import Holdout

# Columns beside `prediction`: the incumbent's predictions, and its version; 0 is the baseline.
INCUMBENT = "incumbent_prediction"
INCUMBENT_VERSION = "incumbent_version"


def add_incumbent(
    scored: pd.DataFrame,
    holdout: Holdout,
    champion: ModelVersion | None,
    lakehouse: Lakehouse,
) -> pd.DataFrame:
    """Return scored rows with the predictions of their incumbent.

    Args:
        scored: The held-out rows with features and the version's `prediction`.
        holdout: The same rows, not scored.
        champion: The Champion; where there is none, the heuristic baseline is used.
        lakehouse: The platform's clients.
    """
    if champion is None:
        scored = scored.assign(**{INCUMBENT: PROBLEM.heuristic_baseline(scored)})
        return scored.assign(**{INCUMBENT_VERSION: 0})
    keys = list(PROBLEM.keys)
    other = score(lakehouse.feature_store, champion.uri, holdout.rows)
    other = other[[*keys, "prediction"]].rename(columns={"prediction": INCUMBENT})
    # Rows come back in any order, so they are joined by their keys.
    joined = scored.drop(columns=[INCUMBENT, INCUMBENT_VERSION], errors="ignore").merge(
        other, on=keys, how="left", validate="one_to_one"
    )
    return joined.assign(**{INCUMBENT_VERSION: champion.version})


def compare_predictions(rows: pd.DataFrame, policy: Policy, loss: str = "") -> Comparison:
    """Compare predictions with the incumbent's, by the policy.

    Args:
        rows: Rows with label, `prediction` and the incumbent's.
        policy: How to compare.
        loss: The loss to compare by; the policy's where empty.
    """
    settings = policy.comparison
    return compare(
        rows[PROBLEM.label.column],
        rows["prediction"],
        rows[INCUMBENT],
        model_type=PROBLEM.model_type,
        loss=loss or settings.loss,
        # Rows of one day share its circumstances, so their errors are correlated.
        blocks=rows[PROBLEM.spine.decision_at].dt.date,
        resamples=settings.resamples,
        confidence=settings.confidence,
        seed=settings.seed,
    )
