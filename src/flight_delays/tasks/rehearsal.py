"""Candidates, tried on the latest rows of the training window, each in a run of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import mlflow
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..baselines import build_baselines
from ..contract import Estimator
from ..lifecycle import RehearsalPolicy, rehearse, show
from ..lifecycle.observations import FloatArray
from ..problem import PROBLEM

MODEL = "the model"
RULE = "rule of thumb"


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """How a candidate did.

    Attributes:
        name: What people call it.
        loss: Its mean loss, by which candidates are ranked.
        figures: Its metrics, as far as these labels allow them.
        predictions: What it predicted of the tested rows.
    """

    name: str
    loss: float
    figures: Mapping[str, float]
    predictions: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """The rows that candidates learn from and are tested on, all of the training window.

    Attributes:
        learned: The earlier rows.
        tested: The later rows.
        loss: Name of the loss that ranks candidates.
    """

    learned: pd.DataFrame
    tested: pd.DataFrame
    loss: str

    @cached_property
    def labels(self) -> FloatArray:
        """What happened to the tested rows."""
        return np.asarray(self.tested[PROBLEM.label.column], dtype=np.float64)

    def run(self, name: str, estimator: Estimator) -> Candidate:
        """Fit a candidate to the earlier rows, and judge it by the later ones."""
        inputs = list(PROBLEM.inputs)
        estimator.fit(self.learned[inputs], self.learned[PROBLEM.label.column])
        return self.judge(name, estimator.predict(self.tested[inputs]))

    def judge(self, name: str, predictions: ArrayLike) -> Candidate:
        """Judge predictions of the tested rows."""
        # What cannot be is refused by the gate; a simple candidate is only compared.
        truth, predicted = PROBLEM.kind.read(self.labels, PROBLEM.kind.clip(predictions))
        measured = PROBLEM.kind.measure(truth, predicted)
        return Candidate(
            name=name,
            loss=float(PROBLEM.kind.require_loss(self.loss).of(truth, predicted).mean()),
            figures={name: value for name, value in measured.items() if value is not None},
            predictions=predicted,
        )


def set_stage(what: str, rows: pd.DataFrame, policy: RehearsalPolicy, loss: str) -> Stage:
    """Divide the rows of the training window into earlier and later ones.

    Args:
        what: Who is tried on them, as people call it.
        rows: The rows of the training window.
        policy: How to divide them.
        loss: Name of the loss that ranks candidates.
    """
    parts = rehearse(rows[PROBLEM.spine.decision_at], policy)
    stage = Stage(learned=rows.iloc[parts.learned], tested=rows.iloc[parts.tested], loss=loss)
    print(
        f"{what} learn from {len(stage.learned):,} rows of the training window and are tested on "
        f"{len(stage.tested):,} later ones"
    )
    return stage


def try_candidates(stage: Stage, model: Estimator) -> Sequence[Candidate]:
    """Try the model, the rule of thumb and the baselines, each in a run inside the active one.

    Returns:
        All of them, the best first.
    """
    found = []
    for name, estimator in {MODEL: model, **build_baselines(PROBLEM)}.items():
        with mlflow.start_run(run_name=name, nested=True, tags={"candidate": name}):
            found.append(log_candidate(stage, stage.run(name, estimator)))
    with mlflow.start_run(run_name=RULE, nested=True, tags={"candidate": RULE}):
        found.append(log_candidate(stage, stage.judge(RULE, PROBLEM.rule_of_thumb(stage.tested))))
    ranked = sorted(found, key=lambda candidate: candidate.loss)
    best, own = ranked[0], found[0]
    if best is not own:
        unit = PROBLEM.kind.require_loss(stage.loss).unit
        print(
            f"rehearsal: '{best.name}' had a lower {stage.loss} than the model, {show(best.loss)} "
            f"against {show(own.loss, unit)}. If that is more than chance, look at features and "
            "hyperparameters; tune=true searches for better ones."
        )
    return ranked


def log_candidate(stage: Stage, candidate: Candidate) -> Candidate:
    """Log how a candidate did, and on which rows, to the active run, and print it."""
    decided = stage.tested[PROBLEM.spine.decision_at]
    mlflow.log_params(
        {
            "rehearsal_learned_rows": len(stage.learned),
            "rehearsal_tested_rows": len(stage.tested),
            "rehearsal_tested_from": decided.min().isoformat(),
            "rehearsal_tested_until": decided.max().isoformat(),
        }
    )
    figures = {f"rehearsal_{name}": value for name, value in candidate.figures.items()}
    mlflow.log_metrics({"rehearsal_loss": candidate.loss, **figures})
    print(f"rehearsed {candidate.name}: {write_figures(candidate.figures)}")
    return candidate


def write_figures(figures: Mapping[str, float]) -> str:
    """Write metrics with their units in a line."""
    units = {name: PROBLEM.kind.metrics[name].unit for name in figures}
    return ", ".join(f"{name} {show(value, units[name])}" for name, value in figures.items())


def tabulate(candidates: Sequence[Candidate]) -> pd.DataFrame:
    """Return a row for each candidate: its name, its loss, its metrics."""
    return pd.DataFrame([{"candidate": c.name, "loss": c.loss, **c.figures} for c in candidates])
