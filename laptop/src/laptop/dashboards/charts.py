"""Line and bar charts as SVG."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any

import matplotlib as mpl

from .queries import Answer, Cell

# Set before any drawing: there is no display.
mpl.use("agg")

from matplotlib import dates as mdates
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

COLOURS = (
    "#077a9d", "#ffab00", "#00a972", "#ff3621", "#8bcae7", "#ab4057", "#99ddb4", "#fca4a1",
    "#919191", "#bf7080", "#5d3fa8", "#c0a41f",
)  # fmt: skip
THRESHOLD = "threshold"
# Status words have the same colour on every chart.
MEANINGS = {
    "Healthy": "#00a972",
    "Watch": "#ffab00",
    "Retrain": "#ff3621",
    "Blind": "#5d6b7a",
    "Stale": "#ab4057",
    THRESHOLD: "#8a97a5",
}
MOST_NAMED = 12
MOST_APART = 90


@dataclass(frozen=True)
class Series:
    """One line, or the bars of one colour: y values by x value."""

    name: str
    points: Mapping[Any, float]


def list_series(
    answer: Answer, x: str, values: Sequence[tuple[str, str]], colour: str | None
) -> list[Series]:
    """Return the series of an answer, sorted by name; missing values are dropped.

    Args:
        answer: The rows.
        x: Field of the x axis.
        values: Fields of the y axis with their display names.
        colour: Field with one series per value.
    """
    found: dict[str, dict[Any, float]] = {}
    for row in answer.rows:
        for field, shown in values:
            value = row[field]
            if row[x] is None or value is None:
                continue
            name = str(row[colour]) if colour else shown
            found.setdefault(name, {})[row[x]] = float(value)  # type: ignore[arg-type]
    # Thresholds come last.
    names = sorted(found, key=lambda name: (name == THRESHOLD, split_number(name)))
    return [Series(name, found[name]) for name in names]


def split_number(name: str) -> tuple[str, int]:
    """Return a key that sorts `version 9` before `version 10`."""
    words = name.rstrip("0123456789")
    return words, int(name[len(words) :] or 0)


def draw(
    kind: str,
    series: Sequence[Series],
    *,
    size: tuple[float, float],
    y_title: str = "",
) -> str:
    """Return a chart as SVG.

    Args:
        kind: `line` or `bar`; bars with the same x are stacked.
        series: The data.
        size: Width and height in inches.
        y_title: Title of the y axis.
    """
    settings: Any = {"svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9}
    # Make the SVG reproducible.
    settings |= {"svg.hashsalt": "laptop"}
    with mpl.rc_context(settings):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        places = sorted({place for each in series for place in each.points})
        temporal = bool(places) and isinstance(places[0], date | datetime)
        if kind == "bar":
            draw_bars(axes, series, places, temporal=temporal)
        else:
            for index, each in enumerate(series):
                draw_line(axes, each, pick_colour(each.name, index))
        whole = all(value == int(value) for each in series for value in each.points.values())
        style_axes(axes, temporal=temporal, whole=whole, y_title=y_title)
        if len(series) > 1:
            name_series(figure, axes, series)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def draw_line(axes: Any, series: Series, colour: str) -> None:
    """Draw one line; a single point becomes a dot."""
    places = sorted(series.points)
    style = "--" if series.name == THRESHOLD else "-"
    axes.plot(
        places,
        [series.points[place] for place in places],
        style,
        color=colour,
        linewidth=1.6,
        marker="o" if len(places) <= 40 else None,
        markersize=3,
        label=series.name,
    )


def draw_bars(
    axes: Any, series: Sequence[Series], places: Sequence[Any], *, temporal: bool
) -> None:
    """Draw stacked bars."""
    number: Any = mdates.date2num
    at = [float(number(place)) for place in places] if temporal else range(len(places))
    # With many days, gaps narrower than a pixel cause artifacts.
    apart = len(places) <= MOST_APART
    width = (0.8 if apart else 1.0) * (closest(at) if temporal else 1.0)
    floor = [0.0] * len(places)
    for index, each in enumerate(series):
        heights = [each.points.get(place, 0.0) for place in places]
        # One collection per series: individual patches for a year of days take seconds.
        bars = [
            rectangle(x, width, low, height)
            for x, low, height in zip(at, floor, heights, strict=True)
            if height
        ]
        colour = pick_colour(each.name, index)
        axes.add_collection(
            PolyCollection(
                bars,
                facecolor=colour,
                edgecolor=colour,
                linewidth=0 if apart else 0.4,
                label=each.name,
            )
        )
        floor = [low + height for low, height in zip(floor, heights, strict=True)]
    axes.autoscale_view()
    axes.set_ylim(bottom=min(0.0, *floor, 0.0))
    if temporal:
        axes.xaxis_date()
    else:
        axes.set_xticks(list(at), [str(place) for place in places], rotation=45, ha="right")


def rectangle(x: float, width: float, low: float, height: float) -> list[tuple[float, float]]:
    """Return the corners of a bar."""
    left, right = x - width / 2, x + width / 2
    return [(left, low), (left, low + height), (right, low + height), (right, low)]


def closest(at: Sequence[float]) -> float:
    """Return the smallest distance of two x values in days, at least 1."""
    return max(1.0, min((second - first for first, second in pairwise(at)), default=1.0))


def style_axes(axes: Any, *, temporal: bool, whole: bool, y_title: str) -> None:
    """Format axes, grid and frame; with `whole`, ticks are integers."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#c9ced4")
    axes.grid(axis="y", color="#e6e9ec", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors="#5d6b7a")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=whole))
    axes.set_ylabel(y_title, color="#5d6b7a")
    low, high = axes.get_ylim()
    if low > 0 and low < 0.6 * high:
        axes.set_ylim(bottom=0)
    if temporal:
        locator = mdates.AutoDateLocator(  # type: ignore[no-untyped-call]
            minticks=3, maxticks=8
        )
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def name_series(figure: Any, axes: Any, series: Sequence[Series]) -> None:
    """Add a legend below the chart; long legends are truncated."""
    handles, labels = axes.get_legend_handles_labels()
    if len(series) > MOST_NAMED:
        handles, labels = handles[:MOST_NAMED], labels[: MOST_NAMED - 1]
        labels.append(f"and {len(series) - MOST_NAMED + 1} more")
    columns = min(len(labels), max(2, int(figure.get_figwidth() * 12 / (longest(labels) + 5))))
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=8,
        labelcolor="#3b4754",
        handlelength=1.2,
        columnspacing=1.2,
    )


def longest(labels: Iterable[str]) -> int:
    """Return the length of the longest label."""
    return max(map(len, labels), default=1)


def pick_colour(name: str, index: int) -> str:
    """Return the colour of a series."""
    return MEANINGS.get(name, COLOURS[index % len(COLOURS)])


def show(value: Cell) -> str:
    """Format a value for display."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
