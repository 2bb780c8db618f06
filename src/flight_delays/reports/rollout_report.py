"""The HTML page of a roll-out or an A/B test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from ..evaluation.model_types import format_figure
from ..promotion.arms import Figure, Step
from ..promotion.decide import CHALLENGER, CHAMPION
from ..promotion.rollout import Verdict
from . import render
from .plots import Bar, Colour, Line, Plot, draw_bars, draw_lines

# Minimum labelled rows of an arm in a slice.
FEWEST = 30
TWO_SIDED = 1.96


@dataclass(frozen=True, kw_only=True, eq=False)
class RolloutReport:
    """The content of the page.

    Attributes:
        losses: Labelled rows: `arm`, `at`, `loss`, and the columns of `slices`.
        slices: Columns to show the effect by.
    """

    model: str
    champion: int
    challenger: int
    ended_at: datetime
    decision: Verdict
    steps: Sequence[Step]
    figures: Sequence[Figure]
    losses: pd.DataFrame
    loss: str
    slices: Sequence[str]


def write_rollout_page(report: RolloutReport) -> str:
    """Return the page as self-contained HTML."""
    return render(
        "rollout.html.j2",
        report=report,
        arms=[
            (
                f"{side}, {step.percent if side == CHALLENGER else 100 - step.percent} %",
                *(f"{count:,}" for count in (arm.requests, arm.errors, arm.slow, arm.invalid)),
                f"{arm.labels:,}",
                format_figure(arm.loss / arm.labels if arm.labels else None),
            )
            for step in report.steps
            for side, arm in step.arms.items()
        ],
        figures=[
            (
                figure.name,
                *map(format_figure, (figure.champion, figure.challenger, figure.difference)),
                *map(format_figure, (figure.low, figure.high, figure.limit)),
                figure.state,
            )
            for figure in report.figures
        ],
        plots=[*draw_time(report), *(draw_slice(report, column) for column in report.slices)],
    )


def draw_time(report: RolloutReport) -> list[Plot]:
    """Return a plot of both arms' mean loss by day; empty without losses."""
    if report.losses.empty:
        return []
    days = report.losses.assign(day=report.losses["at"].dt.floor("D"))
    colours: Mapping[str, Colour] = {CHAMPION: "second", CHALLENGER: "first"}
    lines = [
        Line(name=arm, x=[f"{day:%m-%d}" for day in own.index], y=own, colour=colour, style="o-")
        for arm, colour in colours.items()
        for own in [days[days["arm"] == arm].groupby("day")["loss"].mean()]
    ]
    return [draw_lines(f"Mean {report.loss} by day", lines, "day", report.loss)]


def draw_slice(report: RolloutReport, column: str) -> Plot:
    """Return a plot of the difference in mean loss by slice, with 95 % intervals."""
    bars = []
    for value, rows in report.losses.groupby(column):
        arms = [rows.loc[rows["arm"] == arm, "loss"] for arm in (CHAMPION, CHALLENGER)]
        if min(map(len, arms)) < FEWEST:
            continue
        difference = float(arms[1].mean() - arms[0].mean())
        spread = TWO_SIDED * float(np.sqrt(sum(arm.var() / len(arm) for arm in arms)))
        ok = None if abs(difference) <= spread else difference < 0
        bars.append(Bar(str(value), difference, ok, spread))
    title = f"{report.loss} by {column}: Challenger minus Champion, lower is better"
    return draw_bars(title, bars)
