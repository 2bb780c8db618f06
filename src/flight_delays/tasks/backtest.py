"""Backtest of candidates on the last rows of the training window, each in a nested run."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import mlflow
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..config.training import BacktestPolicy
from ..evaluation.backtest import Candidate, measure_candidate, split_by_time
from ..evaluation.baselines import build_baselines
from ..evaluation.model_types import Estimator, format_figure
from ..evaluation.observations import FloatArray
from ..problem import PROBLEM

MODEL = "the model"
HEURISTIC = "heuristic baseline"


@dataclass(frozen=True, kw_only=True, eq=False)
class TimeSplit:
    """The rows of the training window, divided by time.

    Attributes:
        loss: Name of the loss that ranks candidates.
    """

    train: pd.DataFrame
    validation: pd.DataFrame
    loss: str

    @cached_property
    def labels(self) -> FloatArray:
        """The labels of the validation rows."""
        return np.asarray(self.validation[PROBLEM.label.column], dtype=np.float64)

    def run(self, name: str, estimator: Estimator) -> Candidate:
        """Fit a candidate on the train rows and measure it on the validation rows."""
        inputs = list(PROBLEM.feature_columns)
        estimator.fit(self.train[inputs], self.train[PROBLEM.label.column])
        return self.measure(name, estimator.predict(self.validation[inputs]))

    def measure(self, name: str, predictions: ArrayLike) -> Candidate:
        """Return a candidate from its predictions for the validation rows."""
        return measure_candidate(name, self.labels, predictions, PROBLEM.model_type, self.loss)


def make_time_split(what: str, rows: pd.DataFrame, policy: BacktestPolicy, loss: str) -> TimeSplit:
    """Split the rows of the training window by time; `what` names the backtest in messages."""
    found = split_by_time(rows[PROBLEM.spine.decision_at], **policy.model_dump())
    split = TimeSplit(
        train=rows.iloc[found.train], validation=rows.iloc[found.validation], loss=loss
    )
    print(
        f"{what}: fitted to {len(split.train):,} rows of the training window, validated on "
        f"{len(split.validation):,} later ones"
    )
    return split


def try_candidates(split: TimeSplit, model: Estimator) -> Sequence[Candidate]:
    """Backtest the model, the baselines and the heuristic baseline, each in a nested run.

    Returns:
        The candidates, the best first.
    """
    baselines = build_baselines(
        PROBLEM.model_type, PROBLEM.categorical_columns, PROBLEM.numerical_columns
    )
    found = []
    for name, estimator in {MODEL: model, **baselines}.items():
        with mlflow.start_run(run_name=name, nested=True, tags={"candidate": name}):
            found.append(log_candidate(split, split.run(name, estimator)))
    with mlflow.start_run(run_name=HEURISTIC, nested=True, tags={"candidate": HEURISTIC}):
        found.append(
            log_candidate(
                split, split.measure(HEURISTIC, PROBLEM.heuristic_baseline(split.validation))
            )
        )
    ranked = sorted(found, key=lambda candidate: candidate.loss)
    print_candidates(ranked)
    best, own = ranked[0], found[0]
    if best is not own:
        unit = PROBLEM.model_type.require_loss(split.loss).unit
        losses = [format_figure(each.loss, unit) for each in (best, own)]
        print(
            f"backtest: '{best.name}' had a lower {split.loss} than the model, {losses[0]} against "
            f"{losses[1]}. If that is more than chance, look at features and hyperparameters; "
            "tune=true searches for better ones."
        )
    return ranked


def log_candidate(split: TimeSplit, candidate: Candidate) -> Candidate:
    """Log a candidate's metrics and dataset to the active run."""
    decided = split.validation[PROBLEM.spine.decision_at]
    mlflow.log_params(
        {
            "backtest_train_rows": len(split.train),
            "backtest_validation_rows": len(split.validation),
            "backtest_validation_from": decided.min().isoformat(),
            "backtest_validation_until": decided.max().isoformat(),
        }
    )
    figures = {f"backtest_{name}": value for name, value in candidate.figures.items()}
    mlflow.log_metrics({"backtest_loss": candidate.loss, **figures})
    return candidate


def print_candidates(candidates: Sequence[Candidate]) -> None:
    """Print a table of candidates and their metrics."""
    table = tabulate_candidates(candidates).drop(columns="loss").set_index("candidate")
    print(table.rename_axis(None).to_string(float_format="{:.4g}".format))


def tabulate_candidates(candidates: Sequence[Candidate]) -> pd.DataFrame:
    """Return name, loss and metrics of each candidate."""
    return pd.DataFrame([{"candidate": c.name, "loss": c.loss, **c.figures} for c in candidates])
