"""The HTML page of a training, and the model card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..config.policy import Policy
from ..evaluation.backtest import Candidate
from ..evaluation.curves import SliceFigure
from ..evaluation.importance import Explanation, Importance
from ..evaluation.model_types import ModelType, format_figure
from ..evaluation.observations import FloatArray
from . import TableRows, render
from .outcomes import draw_outcomes
from .plots import Bar, Colour, Swarm, draw_bars, draw_swarms

# Maximum number of inputs to plot.
INPUTS = 15
LEGEND: Mapping[Colour, str] = {
    "first": "number up to its median",
    "second": "number above it",
    "third": "text",
    "muted": "missing number",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingResult:
    """The content of the page and the model card.

    Attributes:
        tags: Tags of run and version: `as_of`, `policy`, `git_commit`.
        target: Description of the label.
        windows: Description and number of rows of each window.
        tables: Delta version by feature table.
        features: Features by source.
        metrics: Its metrics on the held-out rows.
        slices: The policy's metric by slice; None if the policy has no slices.
        backtest_rows: Numbers of training and validation rows of the backtest.
        backtest_labels: Labels of the validation rows.
        candidates: Candidates of the backtest, best first.
        own: The model among them.
        importance: Importance of each input, largest first.
    """

    run_id: str
    model: str
    tags: Mapping[str, str]
    description: str
    intended_use: str
    limits: str
    target: str
    model_type: ModelType
    policy: Policy
    windows: Mapping[str, tuple[str, int]]
    tables: Mapping[str, str]
    features: Mapping[str, Sequence[str]]
    numerical: frozenset[str]
    hyperparameters: Mapping[str, object]
    metrics: Mapping[str, float]
    slices: Sequence[SliceFigure] | None
    backtest_rows: tuple[int, int]
    backtest_labels: FloatArray
    candidates: Sequence[Candidate]
    own: Candidate
    importance: Sequence[Importance]
    explanation: Explanation


def write_model_card(result: TrainingResult) -> str:
    """Return the model card as Markdown."""
    return render("model_card.md.j2", result=result, candidates=list_candidates(result))


def write_training_page(result: TrainingResult) -> str:
    """Return the page as self-contained HTML."""
    loss = result.policy.comparison.loss
    unit = result.model_type.require_loss(loss).unit
    of_unit = f", {unit}" if unit else ""
    return render(
        "training.html.j2",
        result=result,
        hyperparameters=[(name, str(value)) for name, value in result.hyperparameters.items()],
        candidates=list_candidates(result),
        losses=draw_bars(
            f"Mean {loss}{of_unit}: lower is better",
            [Bar(each.name, each.loss) for each in result.candidates],
        ),
        importance=draw_bars(
            f"Rise of the mean {loss}{of_unit}",
            [
                Bar(each.column, each.rise, spread=each.spread)
                for each in result.importance[:INPUTS]
            ],
        ),
        contributions=draw_swarms(
            "Contributions of inputs to predictions", list_swarms(result), LEGEND
        ),
        outcomes=draw_outcomes(result.model_type, result.backtest_labels, result.own.predictions),
    )


def list_candidates(result: TrainingResult) -> tuple[tuple[str, ...], TableRows]:
    """Return headers and rows of the candidates' metrics; missing ones are blank."""
    names = [n for n in result.model_type.metrics if any(n in c.figures for c in result.candidates)]
    units = {name: result.model_type.metrics[name].unit for name in names}
    return ("Candidate", *names), [
        (
            each.name,
            *(format_figure(each.figures[n], units[n]) if n in each.figures else "" for n in names),
        )
        for each in result.candidates
    ]


def list_swarms(result: TrainingResult) -> list[Swarm]:
    """Return the contributions of each input, largest first, coloured by its value."""
    found = result.explanation
    columns = [str(column) for column in found.values.columns]
    swarms = []
    for column in found.rank()[:INPUTS]:
        added = found.contributions[:, columns.index(column)]
        values = found.values[column] if column in result.numerical else None
        swarms.append(Swarm(column, {"third": added} if values is None else colour(added, values)))
    return swarms


def colour(contributions: FloatArray, values: pd.Series) -> Mapping[Colour, FloatArray]:
    """Return contributions by colour, for low, high and missing values."""
    numbers = pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan)
    known = numbers[~np.isnan(numbers)]
    middle = float(np.median(known)) if known.size else 0.0
    return {
        "first": contributions[numbers <= middle],
        "second": contributions[numbers > middle],
        "muted": contributions[np.isnan(numbers)],
    }
