"""Plots of the gate's replay in docs/gate.md."""

import re
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.gate_replay import Year

DOCS = Path(__file__).resolve().parent.parent / "docs"
# Readable on a light and on a dark page.
INK, LINES = "#7d8590", ("#2f81f7", "#d29922", "#3fb950", "#db61a2")
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gate",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
}
EVERY = 7


def draw_year(years: Sequence[Year], best: Year, name: str) -> None:
    """Plot each rule's mean loss minus that of the best rule, by week."""
    figure, axes = begin()
    for year, colour in zip(years, LINES, strict=False):
        above = (year.weeks["loss"] - best.weeks["loss"]).cumsum() / best.weeks["rows"].cumsum()
        label = f"{year.rule}, {year.days // EVERY} weeks held out"
        axes.plot(above.index, above * 1000, color=colour, label=label)
    axes.axhline(0, color=INK, linewidth=0.8)
    months = pd.date_range("2013-04-01", "2014-01-01", freq="2MS")
    axes.set_xticks(months, [f"{month:%B}" for month in months])
    axes.set_ylabel("loss above the newest model's,\nmean since March (0.001 nats)")
    save(figure, axes, name)


def draw_chances(
    gains: Sequence[float],
    chances: Mapping[str, Sequence[float]],
    marks: Sequence[float],
    name: str,
) -> None:
    """Plot the probability of a promotion by the challenger's true gain."""
    figure, axes = begin()
    for (label, shares), colour in zip(chances.items(), LINES, strict=False):
        axes.plot(np.asarray(gains) * 1000, 100 * np.asarray(shares), color=colour, label=label)
    for mark in marks:
        axes.axvline(1000 * mark, color=INK, linewidth=0.8, linestyle=":")
    axes.set(xlabel="true gain (0.001 nats)", ylabel="promoted, % of looks", ylim=(0, 100))
    save(figure, axes, name)


def begin() -> tuple[Figure, Axes]:
    """Return an empty figure in the style of the documentation."""
    with rc_context(STYLE):
        figure = Figure(figsize=(6.4, 3.0), layout="constrained")
        return figure, figure.add_subplot()


def save(figure: Figure, axes: Axes, name: str) -> None:
    """Write a compact SVG with rounded coordinates."""
    written = StringIO()
    with rc_context(STYLE):
        axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    svg = written.getvalue()
    svg = re.sub(r" <metadata>.*?</metadata>\n", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r"font: [^;']*'[^;\"]*", "font: 9px sans-serif", svg)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: sans-serif", svg)
    svg = re.sub(r"(\d+\.\d)\d{3,}", r"\1", svg)  # of coordinates; texts have fewer digits
    svg = re.sub(r"\s*\n\s*", " ", svg).strip()
    (DOCS / f"{name}.svg").write_text(svg.replace("> <", ">\n<") + "\n", encoding="utf-8")
