"""The page of plots of a training: candidates, predictions of the backtest, what it leans on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from ..evaluation.importance import Importance
from ..evaluation.model_types import ModelType
from ..evaluation.observations import FloatArray
from ..evaluation.shapley import Explanation
from ..promotion.checks import show
from .charts import Bar, Dot, Role, Swarm, draw_bars, draw_swarms, show_figure
from .outcomes import draw_outcomes
from .page import write_page, write_paragraph, write_plots, write_section, write_table

# Inputs that are drawn; the rest moves little.
INPUTS = 15
COLOURS: Mapping[Role, str] = {
    "first": "number up to its median",
    "second": "number above it",
    "third": "text",
    "faint": "missing number",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingPage:
    """All that the page shows.

    Attributes:
        model: Full name of the registered model.
        as_of: The instant before which it was trained.
        model_type: The model type.
        loss: The loss that ranks candidates and inputs.
        backtest_rows: Rows that candidates were fitted to, and validated on.
        candidates: Mean loss of each, the best first.
        figures: Metrics of each.
        labels: What happened to the tested rows.
        predictions: What the model predicted of them in the backtest.
        importance: What the model leans on, most first.
        explanation: Single predictions, taken apart.
        numbers: The inputs that are numbers.
    """

    model: str
    as_of: str
    model_type: ModelType
    loss: str
    backtest_rows: tuple[int, int]
    candidates: Mapping[str, float]
    figures: Mapping[str, Mapping[str, float]]
    labels: FloatArray
    predictions: FloatArray
    importance: Sequence[Importance]
    explanation: Explanation
    numbers: frozenset[str]


def write_training_page(page: TrainingPage) -> str:
    """Return the page as HTML that needs nothing from elsewhere."""
    short = page.model.rpartition(".")[2]
    earlier, later = page.backtest_rows
    unit = page.model_type.require_loss(page.loss).unit
    of_unit = f", {unit}" if unit else ""
    bars = [Bar(name, loss) for name, loss in page.candidates.items()]
    leaned_on = [Bar(each.column, each.rise) for each in page.importance[:INPUTS]]
    explained = len(page.explanation.predictions)
    parts = [
        f"<h1>Training of {escape(short)}</h1>",
        f'<p class="muted">{escape(page.model)}, as of {escape(page.as_of)}. Whether it may '
        "challenge is said by validation.html of the same run.</p>",
        write_section(
            "Candidates",
            write_paragraph(
                f"Each learned from {earlier:,} rows of the training window and was tested on "
                f"{later:,} later ones of it. The holdout played no part."
            ),
            write_plots(draw_bars(f"Mean {page.loss}{of_unit}: the shorter, the better", bars)),
            write_candidates(page),
        ),
        write_section(
            "What the model leans on",
            write_paragraph(
                "Of held-out rows. First, by how much the mean loss rises when an input is "
                "shuffled among them: what the model leans on. Then, what each input adds to the "
                f"prediction of {explained:,} rows, a dot each: together with "
                f"{show_figure(page.explanation.base)}, the mean prediction of some rows it has "
                "learned from, they add up to the row's prediction."
            ),
            write_plots(
                draw_bars(f"Rise of the mean {page.loss}{of_unit}", leaned_on),
                draw_swarms("What inputs add to predictions", list_swarms(page), COLOURS),
            ),
        ),
        write_section(
            "Predictions of the backtest",
            write_paragraph(
                "By the model of the backtest, which was fitted to fewer rows than the registered "
                "one. The plots of the registered one are in validation.html."
            ),
            *draw_outcomes(page.model_type, page.labels, page.predictions),
        ),
    ]
    return write_page(f"Training of {page.model}", parts)


def write_candidates(page: TrainingPage) -> str:
    """Return the metrics of each candidate as a table."""
    names = list(dict.fromkeys(name for figures in page.figures.values() for name in figures))
    units = {name: page.model_type.metrics[name].unit for name in names}
    return write_table(
        ("Candidate", *names),
        [
            (
                candidate,
                *(show(figures[n], units[n]) if n in figures else "" for n in names),
            )
            for candidate, figures in page.figures.items()
        ],
    )


def list_swarms(page: TrainingPage) -> list[Swarm]:
    """Return for each input what it adds to each prediction, coloured by its value."""
    found = page.explanation
    columns = [str(column) for column in found.values.columns]
    swarms = []
    for column in found.rank()[:INPUTS]:
        added = found.contributions[:, columns.index(column)]
        if column in page.numbers:
            swarms.append(Swarm(column, colour(added, found.values[column])))
        else:
            swarms.append(Swarm(column, [Dot(float(x), "third") for x in added]))
    return swarms


def colour(contributions: FloatArray, values: pd.Series) -> list[Dot]:
    """Return dots: high values in one colour, low ones in another, missing ones faint."""
    numbers = pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan)
    known = numbers[~np.isnan(numbers)]
    middle = float(np.median(known)) if known.size else 0.0
    return [
        Dot(float(x), "faint" if np.isnan(value) else "second" if value > middle else "first")
        for x, value in zip(contributions, numbers, strict=True)
    ]
