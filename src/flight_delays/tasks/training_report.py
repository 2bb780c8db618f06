"""Training report: the model card and a page of plots."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import mlflow
import pandas as pd
from numpy.typing import ArrayLike
from pydantic import BaseModel

from ..config.policy import Policy
from ..config.training import Explanations
from ..evaluation.backtest import Candidate, sample_rows
from ..evaluation.curves import measure_slices
from ..evaluation.importance import Explanation, Importance, explain_predictions, measure_importance
from ..evaluation.model_types import Estimator, format_metrics
from ..problem import PROBLEM
from ..reports.training_report import TrainingResult, write_model_card, write_training_page
from .backtest import MODEL, TimeSplit, tabulate_candidates
from .datasets import Rows

CARD = "model_card.md"
PAGE = "training.html"
CANDIDATES = "candidates.csv"
IMPORTANCE = "importance.csv"


def explain_model(
    model: Estimator, train: Rows, held_out: Rows, loss: str, spend: Explanations
) -> tuple[Sequence[Importance], Explanation]:
    """Return the importance of each input, and contributions to predictions of held-out rows."""
    chosen = sample_rows(len(held_out.frame), spend.importance_rows, spend.seed)
    explained = sample_rows(len(held_out.frame), spend.explained_rows, spend.seed)
    background = sample_rows(len(train.frame), spend.background_rows, spend.seed)
    return (
        measure_importance(
            model,
            held_out.features.iloc[chosen],
            held_out.labels.iloc[chosen],
            model_type=PROBLEM.model_type,
            loss=loss,
            repeats=spend.importance_repeats,
            seed=spend.seed,
        ),
        explain_predictions(
            model.predict,
            held_out.features.iloc[explained],
            train.features.iloc[background],
            seed=spend.seed,
        ),
    )


def make_result(
    *,
    run_id: str,
    model_name: str,
    tags: Mapping[str, str],
    policy: Policy,
    tables: Mapping[str, str],
    hyperparameters: BaseModel,
    train: Rows,
    held_out: Rows,
    predictions: ArrayLike,
    measured: Mapping[str, float],
    split: TimeSplit,
    candidates: Sequence[Candidate],
    explained: tuple[Sequence[Importance], Explanation],
) -> TrainingResult:
    """Return the content of page and model card; `predictions` are those of the held-out rows."""
    spine, label, model_type = PROBLEM.spine, PROBLEM.label, PROBLEM.model_type
    where = "" if label.where == "TRUE" else f", of the rows where `{label.where}`"
    importance, explanation = explained
    (own,) = (each for each in candidates if each.name == MODEL)
    slices, rows = policy.validation.slices, held_out.frame
    computed = tuple(feature.output for feature in PROBLEM.request_features)
    return TrainingResult(
        run_id=run_id,
        model=model_name,
        tags=tags,
        description=PROBLEM.description,
        intended_use=PROBLEM.intended_use,
        limits=PROBLEM.limits,
        target=(
            f"`{label.column}` of the table `{label.source}`, {model_type.name}, known from "
            f"`{label.known_at}` on{where}. It is predicted for each row of `{spine.source}` at "
            f"its `{spine.decision_at}`."
        ),
        model_type=model_type,
        policy=policy,
        windows={
            "training": (str(train.interval), len(train.frame)),
            "holdout": (str(held_out.interval), len(rows)),
        },
        tables=tables,
        features={
            f"of the row in `{spine.source}`": spine.features,
            **{f"`{table.name}`": table.features for table in PROBLEM.feature_tables},
            **({"computed at the request": computed} if computed else {}),
        },
        numerical=frozenset(PROBLEM.numerical_columns),
        hyperparameters=hyperparameters.model_dump(),
        metrics=measured,
        slices=None
        if slices is None
        else measure_slices(
            *model_type.read(held_out.labels, predictions),
            {column: rows[column] for column in slices.columns if column in rows},
            metric=model_type.require_metric(slices.metric),
            min_rows=slices.min_rows,
        ),
        backtest_rows=(len(split.train), len(split.validation)),
        backtest_labels=split.labels,
        candidates=candidates,
        own=own,
        importance=importance,
        explanation=explanation,
    )


def log_training(result: TrainingResult) -> None:
    """Log card, page and tables to the active run."""
    importance = pd.DataFrame(map(asdict, result.importance))
    mlflow.log_text(importance.to_csv(index=False), IMPORTANCE)
    mlflow.log_text(tabulate_candidates(result.candidates).to_csv(index=False), CANDIDATES)
    mlflow.log_text(write_model_card(result), CARD)
    mlflow.log_text(write_training_page(result), PAGE)


def describe_version(result: TrainingResult) -> str:
    """Return the description of the version: a summary of the model card."""
    train, holdout = (
        f"{rows:,} rows decided {when}"
        for when, rows in (result.windows["training"], result.windows["holdout"])
    )
    return (
        f"{result.description} {result.intended_use} Limits: {result.limits} Trained on {train}; "
        f"held out {holdout}: {format_metrics(result.metrics, result.model_type)}. "
        f"Model card: runs:/{result.run_id}/{CARD}"
    )
