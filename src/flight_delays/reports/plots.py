"""Matplotlib plots as inline SVG, with colours from CSS variables of the page."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import ArrayLike

from ..evaluation.comparison import Comparison
from ..evaluation.model_types import format_estimate, format_figure
from ..evaluation.observations import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Colour: TypeAlias = Literal["first", "second", "third", "good", "bad", "muted", "line", "ink"]

# Placeholders; `_clean` replaces them by CSS variables, which differ in light and dark mode.
COLOURS: Mapping[Colour, str] = {
    "first": "#0a5cc1",
    "second": "#b45301",
    "third": "#7c3ae1",
    "good": "#1a7f31",
    "bad": "#c62331",
    "muted": "#59636e",
    "line": "#d8dee1",
    "ink": "#1b1f21",
}
WIDTH = 4.8
ROW = 0.24
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "reports",
    "font.size": 10,
    "text.color": COLOURS["muted"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.edgecolor": COLOURS["line"],
    "axes.axisbelow": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": COLOURS["line"],
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
}


@dataclass(frozen=True)
class Plot:
    """A plot with its plain-text title."""

    title: str
    svg: Markup


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line or points of one colour.

    Attributes:
        name: Its name in the legend; blank for no entry.
        style: Matplotlib format string, such as "-", "--", "o" or "o-".
    """

    name: str
    x: ArrayLike
    y: ArrayLike
    colour: Colour
    style: str = "-"


@dataclass(frozen=True)
class Bar:
    """A horizontal bar.

    Attributes:
        value: Its length; None if it was not measured.
        ok: Whether it is good; None for neutral.
        spread: Length of the error bar; 0 for none.
    """

    label: str
    value: float | None
    ok: bool | None = None
    spread: float = 0.0


@dataclass(frozen=True)
class Swarm:
    """One row of a beeswarm plot: values by colour."""

    label: str
    dots: Mapping[Colour, FloatArray]


def draw_lines(title: str, lines: Sequence[Line], x_label: str, y_label: str) -> Plot:
    """Return a plot of lines and points."""

    def paint(axes: "Axes") -> None:
        for line in lines:
            axes.plot(
                np.asarray(line.x), np.asarray(line.y), line.style, color=COLOURS[line.colour],
                label=line.name or "_", markersize=4, markeredgewidth=0,
            )  # fmt: skip
        axes.grid(axis="y")
        axes.set(xlabel=x_label, ylabel=y_label)
        _add_legend(axes)

    return _draw(title, 3.1, paint)


def draw_bars(title: str, bars: Sequence[Bar], *, bounds: Sequence[float] = ()) -> Plot:
    """Return a plot of horizontal bars, with a vertical line at each bound."""
    colours: Mapping[bool | None, Colour] = {None: "first", True: "good", False: "bad"}

    def paint(axes: "Axes") -> None:
        drawn = axes.barh(
            np.arange(len(bars)),
            [bar.value or 0.0 for bar in bars],
            height=0.6,
            color=[COLOURS[colours[bar.ok]] for bar in bars],
            xerr=[bar.spread for bar in bars] if any(bar.spread for bar in bars) else None,
            ecolor=COLOURS["ink"],
        )
        axes.bar_label(drawn, [_label_bar(bar) for bar in bars], padding=3)
        _label_rows(axes, [bar.label for bar in bars])
        for bound in (0.0, *bounds):
            style = "-" if bound == 0 else "--"
            axes.axvline(bound, color=COLOURS["ink"], linestyle=style, linewidth=1)
        axes.margins(x=0.2)
        axes.xaxis.set_visible(False)
        axes.spines[["left", "bottom"]].set_visible(False)

    return _draw(title, 0.35 + ROW * len(bars), paint)


def _label_bar(bar: Bar) -> str:
    if bar.value is None:
        return format_figure(None)
    return format_estimate(bar.value, bar.spread)


def draw_swarms(title: str, swarms: Sequence[Swarm], names: Mapping[Colour, str]) -> Plot:
    """Return a beeswarm plot, one row per label; `names` has the meaning of each colour."""

    def paint(axes: "Axes") -> None:
        every = [dots for swarm in swarms for dots in swarm.dots.values()]
        step = float(np.ptp(np.concatenate([*every, [0.0]]))) / 100 or 1.0
        for colour, name in names.items():
            x, y = [], []
            for row, swarm in enumerate(swarms):
                places = spread_dots(swarm, step)
                x += list(swarm.dots.get(colour, []))
                y += [row + place for place in places.get(colour, [])]
            axes.plot(x, y, "o", color=COLOURS[colour], label=name, markersize=3, markeredgewidth=0)
        axes.axvline(0, color=COLOURS["ink"], linewidth=1)
        _label_rows(axes, [swarm.label for swarm in swarms])
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        _add_legend(axes)

    return _draw(title, 0.8 + ROW * len(swarms), paint)


def spread_dots(swarm: Swarm, step: float) -> Mapping[Colour, FloatArray]:
    """Return the vertical offset of each dot, within half a row.

    Dots in the same `step` are moved by 0, 1, -1, 2, -2 … places.
    """
    values = np.concatenate([*swarm.dots.values()])
    rank = pd.Series(values).groupby(np.round(values / step)).cumcount().to_numpy()
    places = np.where(rank % 2, 1, -1) * ((rank + 1) // 2)
    moved = np.clip(0.08 * places, -0.45, 0.45)
    ends = np.cumsum([len(dots) for dots in swarm.dots.values()])[:-1]
    return dict(zip(swarm.dots, np.split(moved, ends), strict=True))


def draw_gain(found: Comparison, threshold: float) -> Plot:
    """Return a plot of the gain with its interval, and lines at 0 and the threshold."""
    colour: Colour = (
        "good" if found.low > threshold else "bad" if found.high <= threshold else "first"
    )

    def paint(axes: "Axes") -> None:
        interval = [found.low, found.high]
        axes.plot(interval, [0, 0], color=COLOURS[colour], linewidth=4, solid_capstyle="round")
        axes.plot([found.gain], [0], "o", color=COLOURS[colour], markersize=8)
        axes.axvline(0, color=COLOURS["line"], linewidth=1)
        axes.axvline(threshold, color=COLOURS["ink"], linestyle="--", linewidth=1)
        axes.set(yticks=[], ylim=(-1, 1))
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")

    return _draw(f"Gain in {found.loss}: to the right is better", 0.9, paint)


def _label_rows(axes: "Axes", labels: Sequence[str]) -> None:
    """Label rows from the top; long labels are truncated."""
    short = [label if len(label) <= 24 else f"{label[:23]}…" for label in labels]
    axes.set_yticks(range(len(labels)), short)
    axes.set_ylim(len(labels) - 0.4, -0.6)


def _add_legend(axes: "Axes") -> None:
    """Add a legend above the plot."""
    names = len(axes.get_legend_handles_labels()[1])
    columns = 3 if names <= 3 else 2
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=0)


def _draw(title: str, height: float, paint: Callable[["Axes"], None]) -> Plot:
    """Draw a plot of a height in inches."""
    # Imported here because it takes half a second.
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    settings: dict[Any, Any] = STYLE
    written = StringIO()
    with rc_context(settings):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.add_subplot()
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5))
            axis.set_major_formatter(FuncFormatter(lambda tick, _: format_figure(tick)))
        paint(axes)
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    return Plot(title, _clean(written.getvalue(), title))


def _clean(svg: str, title: str) -> Markup:
    """Return inline SVG: without header, fonts and ids, with CSS variables for colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r" <metadata>.*?</metadata>\n", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"font-family: [^;]*; ", "", svg)
    for name, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    size = re.search(r'viewBox="[^"]*"', svg)
    opening = f'<svg {size[0] if size else ""} role="img" aria-label="{escape(title)}">'
    return Markup(re.sub(r"<svg[^>]*>", lambda _: opening, svg, count=1))
