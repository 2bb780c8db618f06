"""Comparison of a version with its incumbent: the Champion, or the heuristic baseline."""

from collections.abc import Mapping

import pandas as pd

from ..config.policy import Policy, Slices
from ..errors import UnusableInputError
from ..evaluation.comparison import Comparison, compare, local_days
from ..evaluation.slices import SliceComparison, compare_by_slice
from ..lakehouse.context import Lakehouse
from ..lakehouse.errors import ChampionUnusableError
from ..lakehouse.registry import require_usable, score
from ..problem import PROBLEM
from ..promotion.checks import Check
from ..promotion.model_version import ModelVersion
from ..promotion.rules import MeanLosses
from ..promotion.slices import check_first_gaps, find_worse_slices, size_of
from .holdout import Holdout

# Columns of the incumbent: its predictions, and its version; 0 is the baseline.
INCUMBENT = "incumbent_prediction"
INCUMBENT_VERSION = "incumbent_version"
# The heuristic baseline's predictions, also if the incumbent is the Champion.
HEURISTIC = "heuristic_prediction"
# Columns of the held-out rows that validate logs and deploy decides by.
KEPT = [
    *PROBLEM.columns, PROBLEM.label.column, "prediction", INCUMBENT, INCUMBENT_VERSION, HEURISTIC,
]  # fmt: skip


def add_incumbent(
    scored: pd.DataFrame,
    holdout: Holdout,
    champion: ModelVersion | None,
    lakehouse: Lakehouse,
) -> pd.DataFrame:
    """Return scored rows with the predictions of the incumbent and of the heuristic baseline.

    `scored` are the rows of the holdout with features and the version's `prediction`.

    Raises:
        LakehouseError: The Champion has not passed validation.
        ChampionUnusableError: The Champion cannot predict these rows.
    """
    if champion is not None:
        require_usable(champion)
    scored = scored.assign(**{HEURISTIC: PROBLEM.heuristic_baseline(scored)})
    if champion is None:
        scored = scored.assign(**{INCUMBENT: scored[HEURISTIC]})
        return scored.assign(**{INCUMBENT_VERSION: 0})
    keys = list(PROBLEM.keys)
    try:
        other = score(lakehouse.feature_store, champion.uri, holdout.rows)
    except Exception as error:
        raise ChampionUnusableError(champion.uri, error) from error
    other = other[[*keys, "prediction"]].rename(columns={"prediction": INCUMBENT})
    # Joined by key: rows are returned in any order.
    joined = scored.drop(columns=[INCUMBENT, INCUMBENT_VERSION], errors="ignore").merge(
        other, on=keys, how="left", validate="one_to_one"
    )
    return joined.assign(**{INCUMBENT_VERSION: champion.version})


def compare_predictions(rows: pd.DataFrame, policy: Policy, loss: str = "") -> Comparison:
    """Compare predictions with the incumbent's, by the policy's loss or another."""
    settings = policy.comparison
    return compare(
        rows[PROBLEM.label.column],
        rows["prediction"],
        rows[INCUMBENT],
        model_type=PROBLEM.model_type,
        loss=loss or settings.loss,
        # Errors of rows of one day are correlated.
        blocks=local_days(rows[PROBLEM.spine.decision_at], PROBLEM.time_zone),
        min_blocks=settings.min_blocks,
        confidence=settings.confidence,
    )


def measure_losses(rows: pd.DataFrame, policy: Policy) -> MeanLosses:
    """Return the mean losses of a version and of the heuristic baseline on the same rows.

    Validate records them on the version, as limits for the versions after it.

    Raises:
        UnusableInputError: Labels or predictions are not valid for the model type.
    """
    loss, labels = policy.comparison.loss, rows[PROBLEM.label.column]
    model, heuristic = (
        PROBLEM.model_type.mean_loss(loss, labels, rows[column])
        for column in ("prediction", HEURISTIC)
    )
    return MeanLosses(loss=loss, model=model, heuristic=heuristic)


def compare_slice_predictions(rows: pd.DataFrame, policy: Policy) -> tuple[SliceComparison, ...]:
    """Compare predictions with the Champion's in each slice of the policy.

    Raises:
        UnusableInputError: A column of the slices is missing.
    """
    slices = policy.validation.slices
    if slices is None:
        return ()
    return compare_by_slice(
        rows[PROBLEM.label.column],
        rows["prediction"],
        rows[INCUMBENT],
        take_columns(rows, slices),
        local_days(rows[PROBLEM.spine.decision_at], PROBLEM.time_zone),
        model_type=PROBLEM.model_type,
        loss=policy.comparison.loss,
        size=size_of(slices),
        margin=slices.margin,
        confidence=policy.comparison.confidence,
    )


def find_worse(rows: pd.DataFrame, policy: Policy) -> tuple[Check, ...]:
    """Return a failed check for each slice with predictions worse than the Champion's."""
    slices = policy.validation.slices
    found = compare_slice_predictions(rows, policy)
    return find_worse_slices(found, slices, policy.comparison.confidence) if slices else ()


def find_first_gaps(rows: pd.DataFrame, policy: Policy) -> tuple[Check, ...]:
    """Return the failed checks of the mean prediction in each slice, for a first Champion.

    Validate makes the same checks if there is no Champion at that time.

    Raises:
        UnusableInputError: A column of the slices is missing, or labels or predictions are not
            valid for the model type.
    """
    slices = policy.validation.slices
    if slices is None:
        return ()
    checks = check_first_gaps(
        *PROBLEM.model_type.read(rows[PROBLEM.label.column], rows["prediction"]),
        take_columns(rows, slices),
        local_days(rows[PROBLEM.spine.decision_at], PROBLEM.time_zone),
        slices,
        policy.comparison.confidence,
    )
    return tuple(check for check in checks if not check.ok)


def take_columns(rows: pd.DataFrame, slices: Slices) -> Mapping[str, pd.Series]:
    """Return the columns of the policy's slices.

    Raises:
        UnusableInputError: A column is missing.
    """
    missing = [column for column in slices.columns if column not in rows]
    if missing:
        raise UnusableInputError(
            "kept predictions",
            got=f"no column {', '.join(missing)}",
            allowed=f"rows with every column of the policy's slices: {', '.join(slices.columns)}",
            remedy="Run validate again: it keeps them.",
        )
    return {column: rows[column] for column in slices.columns}
