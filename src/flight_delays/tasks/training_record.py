"""What people read of a training: the model's card, and a page of plots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mlflow
import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel

from ..contract import Estimator, Explanations
from ..lakehouse.registry import AS_OF_TAG
from ..lifecycle import (
    Explanation,
    Importance,
    Policy,
    draw_rows,
    explain,
    measure_importance,
)
from ..lifecycle.curves import measure_slices
from ..problem import PROBLEM
from ..reports import Card, Score, TrainingPage, write_card, write_training_page
from .rehearsal import MODEL, Candidate, Stage, tabulate, write_figures
from .training_rows import Rows

CARD = "model_card.md"
PAGE = "training.html"
CANDIDATES = "candidates.csv"
IMPORTANCE = "importance.csv"


@dataclass(frozen=True, kw_only=True, eq=False)
class Training:
    """What came of a training.

    Attributes:
        run_id: Its run.
        model_name: Full name of the registered model.
        tags: Tags of run and version.
        policy: What it is held to.
        tables: The feature tables, each with its Delta version.
        hyperparameters: What the model was built of.
        learned: The rows it has learned from.
        held_out: The rows it has not.
        predictions: What it predicts of the held-out rows.
        measured: Its metrics on these.
        stage: The rows that candidates were tried on.
        candidates: How they did, the best first.
    """

    run_id: str
    model_name: str
    tags: Mapping[str, str]
    policy: Policy
    tables: Mapping[str, str]
    hyperparameters: BaseModel
    learned: Rows
    held_out: Rows
    predictions: ArrayLike
    measured: Mapping[str, float]
    stage: Stage
    candidates: Sequence[Candidate]


@dataclass(frozen=True, eq=False)
class Reasons:
    """What a model leans on: in the mean, and in single predictions."""

    importance: Sequence[Importance]
    explanation: Explanation


def explain_model(
    model: Estimator, learned: Rows, held_out: Rows, loss: str, spend: Explanations
) -> Reasons:
    """Say what a model leans on, by rows it has not learned from."""
    chosen = draw_rows(len(held_out.frame), spend.importance_rows, spend.seed)
    explained = draw_rows(len(held_out.frame), spend.explained_rows, spend.seed)
    background = draw_rows(len(learned.frame), spend.background_rows, spend.seed)
    return Reasons(
        measure_importance(
            model.predict,
            held_out.inputs.iloc[chosen],
            held_out.labels.iloc[chosen],
            kind=PROBLEM.kind,
            loss=loss,
            repeats=spend.importance_repeats,
            seed=spend.seed,
        ),
        explain(
            model.predict,
            held_out.inputs.iloc[explained],
            learned.inputs.iloc[background],
            seed=spend.seed,
        ),
    )


def log_record(training: Training, reasons: Reasons) -> None:
    """Log card, page and tables to the active run."""
    importance = "".join(f"{i.column},{i.rise},{i.spread}\n" for i in reasons.importance)
    mlflow.log_text(f"column,rise,spread\n{importance}", IMPORTANCE)
    mlflow.log_text(tabulate(training.candidates).to_csv(index=False), CANDIDATES)
    mlflow.log_text(write_card(describe(training, reasons)), CARD)
    mlflow.log_text(write_training_page(draw(training, reasons)), PAGE)


def describe(training: Training, reasons: Reasons) -> Card:
    """Gather the facts of a model's card."""
    slices = training.policy.validation.slices
    rows, label = training.held_out.frame, PROBLEM.label
    spine, kind = PROBLEM.spine, PROBLEM.kind
    where = "" if label.where == "TRUE" else f", of the rows where `{label.where}`"
    return Card(
        model=training.model_name,
        run_id=training.run_id,
        tags=training.tags,
        description=PROBLEM.description,
        intended_use=PROBLEM.intended_use,
        limits=PROBLEM.limits,
        target=(
            f"`{label.column}` of the table `{label.source}`, a {kind.name} outcome, known from "
            f"`{label.known_at}` on{where}. It is predicted of each row "
            f"of `{spine.source}` at its `{spine.decision_at}`."
        ),
        windows={
            "training": (str(training.learned.interval), len(training.learned.frame)),
            "holdout": (str(training.held_out.interval), len(rows)),
        },
        tables=training.tables,
        features={
            f"of the row in `{spine.source}`": spine.features,
            **{f"`{table.name}`": table.features for table in PROBLEM.feature_tables},
        },
        hyperparameters=training.hyperparameters.model_dump(),
        scores=score(training.measured),
        slices=measure_slices(
            *kind.read(training.held_out.labels, training.predictions),
            {column: rows[column] for column in slices.columns if column in rows},
            metric=kind.require_metric(slices.metric),
            min_rows=slices.min_rows,
        ),
        slice_metric=slices.metric,
        slice_rows=slices.min_rows,
        loss=training.stage.loss,
        rehearsed=(len(training.stage.learned), len(training.stage.tested)),
        candidates={each.name: score(each.figures) for each in training.candidates},
        importance=reasons.importance,
        importance_unit=kind.require_loss(training.stage.loss).unit,
    )


def score(figures: Mapping[str, float]) -> list[Score]:
    """Return figures with their units."""
    return [Score(name, value, PROBLEM.kind.metrics[name].unit) for name, value in figures.items()]


def draw(training: Training, reasons: Reasons) -> TrainingPage:
    """Gather what the page of plots shows."""
    (own,) = (each for each in training.candidates if each.name == MODEL)
    return TrainingPage(
        model=training.model_name,
        as_of=training.tags[AS_OF_TAG],
        kind=PROBLEM.kind,
        loss=training.stage.loss,
        rehearsed=(len(training.stage.learned), len(training.stage.tested)),
        candidates={each.name: each.loss for each in training.candidates},
        figures={each.name: each.figures for each in training.candidates},
        labels=training.stage.labels,
        predictions=own.predictions,
        importance=reasons.importance,
        explanation=reasons.explanation,
        numbers=frozenset(PROBLEM.numbers),
    )


def write_description(training: Training) -> str:
    """Return the model's card in a paragraph, as the version's description."""
    figures = write_figures(training.measured)
    learned, held_out = training.learned, training.held_out
    return (
        f"{PROBLEM.description} {PROBLEM.intended_use} Limits: {PROBLEM.limits} "
        f"Trained on {len(learned.frame):,} rows decided {learned.interval}; held out "
        f"{len(np.asarray(training.predictions)):,} rows decided {held_out.interval}: {figures}. "
        f"Model card: runs:/{training.run_id}/{CARD}"
    )
