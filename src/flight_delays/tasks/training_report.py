"""Report of a training: the model card and a page of plots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mlflow
import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel

from ..config.policy import Policy
from ..config.training import Explanations
from ..evaluation.backtest import sample_rows
from ..evaluation.curves import measure_slices
from ..evaluation.importance import Importance, measure_importance
from ..evaluation.model_types import Estimator
from ..evaluation.shapley import Explanation, explain
from ..problem import PROBLEM
from ..promotion.model_version import AS_OF_TAG
from ..reports import Card, Score, TrainingPage, write_card, write_training_page
from .backtest import MODEL, Candidate, TimeSplit, tabulate, write_figures
from .datasets import Rows

CARD = "model_card.md"
PAGE = "training.html"
CANDIDATES = "candidates.csv"
IMPORTANCE = "importance.csv"


@dataclass(frozen=True, kw_only=True, eq=False)
class Training:
    """Results of a training.

    Attributes:
        run_id: The MLflow run.
        model_name: Full name of the registered model.
        tags: Tags of run and version.
        policy: The policy of its validation.
        tables: The feature tables, each with its Delta version.
        hyperparameters: What the model was built of.
        train: The rows it has train from.
        held_out: The rows it has not.
        predictions: What it predicts of the held-out rows.
        measured: Its metrics on these.
        split: The rows of the backtest.
        candidates: Candidates of the backtest, the best first.
    """

    run_id: str
    model_name: str
    tags: Mapping[str, str]
    policy: Policy
    tables: Mapping[str, str]
    hyperparameters: BaseModel
    train: Rows
    held_out: Rows
    predictions: ArrayLike
    measured: Mapping[str, float]
    split: TimeSplit
    candidates: Sequence[Candidate]


@dataclass(frozen=True, eq=False)
class ModelExplanation:
    """Importance of each input, and contributions to single predictions."""

    importance: Sequence[Importance]
    explanation: Explanation


def explain_model(
    model: Estimator, train: Rows, held_out: Rows, loss: str, spend: Explanations
) -> ModelExplanation:
    """Explain a model on held-out rows."""
    chosen = sample_rows(len(held_out.frame), spend.importance_rows, spend.seed)
    explained = sample_rows(len(held_out.frame), spend.explained_rows, spend.seed)
    background = sample_rows(len(train.frame), spend.background_rows, spend.seed)
    return ModelExplanation(
        measure_importance(
            model.predict,
            held_out.features.iloc[chosen],
            held_out.labels.iloc[chosen],
            model_type=PROBLEM.model_type,
            loss=loss,
            repeats=spend.importance_repeats,
            seed=spend.seed,
        ),
        explain(
            model.predict,
            held_out.features.iloc[explained],
            train.features.iloc[background],
            seed=spend.seed,
        ),
    )


def log_record(training: Training, explained: ModelExplanation) -> None:
    """Log card, page and tables to the active run."""
    importance = "".join(f"{i.column},{i.rise},{i.spread}\n" for i in explained.importance)
    mlflow.log_text(f"column,rise,spread\n{importance}", IMPORTANCE)
    mlflow.log_text(tabulate(training.candidates).to_csv(index=False), CANDIDATES)
    mlflow.log_text(write_card(build_card(training, explained)), CARD)
    mlflow.log_text(write_training_page(build_page(training, explained)), PAGE)


def build_card(training: Training, explained: ModelExplanation) -> Card:
    """Gather the facts of a model's card."""
    slices = training.policy.validation.slices
    rows, label = training.held_out.frame, PROBLEM.label
    spine, model_type = PROBLEM.spine, PROBLEM.model_type
    where = "" if label.where == "TRUE" else f", of the rows where `{label.where}`"
    return Card(
        model=training.model_name,
        run_id=training.run_id,
        tags=training.tags,
        description=PROBLEM.description,
        intended_use=PROBLEM.intended_use,
        limits=PROBLEM.limits,
        target=(
            f"`{label.column}` of the table `{label.source}`, {model_type.name}, known from "
            f"`{label.known_at}` on{where}. It is predicted of each row "
            f"of `{spine.source}` at its `{spine.decision_at}`."
        ),
        windows={
            "training": (str(training.train.interval), len(training.train.frame)),
            "holdout": (str(training.held_out.interval), len(rows)),
        },
        tables=training.tables,
        features={
            f"of the row in `{spine.source}`": spine.features,
            **{f"`{table.name}`": table.features for table in PROBLEM.feature_tables},
        },
        hyperparameters=training.hyperparameters.model_dump(),
        scores=with_units(training.measured),
        slices=measure_slices(
            *model_type.read(training.held_out.labels, training.predictions),
            {column: rows[column] for column in slices.columns if column in rows},
            metric=model_type.require_metric(slices.metric),
            min_rows=slices.min_rows,
        ),
        slice_metric=slices.metric,
        slice_rows=slices.min_rows,
        loss=training.split.loss,
        backtest_rows=(len(training.split.train), len(training.split.validation)),
        candidates={each.name: with_units(each.figures) for each in training.candidates},
        importance=explained.importance,
        importance_unit=model_type.require_loss(training.split.loss).unit,
    )


def with_units(figures: Mapping[str, float]) -> list[Score]:
    """Return figures with their units."""
    return [
        Score(name, value, PROBLEM.model_type.metrics[name].unit) for name, value in figures.items()
    ]


def build_page(training: Training, explained: ModelExplanation) -> TrainingPage:
    """Gather what the page of plots shows."""
    (own,) = (each for each in training.candidates if each.name == MODEL)
    return TrainingPage(
        model=training.model_name,
        as_of=training.tags[AS_OF_TAG],
        model_type=PROBLEM.model_type,
        loss=training.split.loss,
        backtest_rows=(len(training.split.train), len(training.split.validation)),
        candidates={each.name: each.loss for each in training.candidates},
        figures={each.name: each.figures for each in training.candidates},
        labels=training.split.labels,
        predictions=own.predictions,
        importance=explained.importance,
        explanation=explained.explanation,
        numbers=frozenset(PROBLEM.numerical_columns),
    )


def write_description(training: Training) -> str:
    """Return the model's card in a paragraph, as the version's description."""
    figures = write_figures(training.measured)
    train, held_out = training.train, training.held_out
    return (
        f"{PROBLEM.description} {PROBLEM.intended_use} Limits: {PROBLEM.limits} "
        f"Trained on {len(train.frame):,} rows decided {train.interval}; held out "
        f"{len(np.asarray(training.predictions)):,} rows decided {held_out.interval}: {figures}. "
        f"Model card: runs:/{training.run_id}/{CARD}"
    )
