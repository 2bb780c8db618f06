"""Small plots as SVG: their colours are the page's, so that they read in light and dark."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal, TypeAlias

WIDTH, HEIGHT = 380, 250
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 10, 40
ROW = 22
TALL = 26

Role: TypeAlias = Literal["first", "second", "third", "faint"]
Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Series:
    """Points of one colour.

    Attributes:
        name: Its name in the legend; blank leaves it out.
        points: Its points, in order.
        role: Its colour.
        marks: Draw points; otherwise a line.
    """

    name: str
    points: Sequence[Point]
    role: Role
    marks: bool = False


@dataclass(frozen=True)
class Bar:
    """A horizontal bar.

    Attributes:
        label: What stands before it.
        value: Its length; None where there is no figure.
        ok: Whether it is good; None where that is not asked.
    """

    label: str
    value: float | None
    ok: bool | None = None


@dataclass(frozen=True)
class Dot:
    """A figure of one row, in the colour of what it comes of."""

    value: float
    role: Role


@dataclass(frozen=True)
class Swarm:
    """The dots of one label."""

    label: str
    dots: Sequence[Dot]


def show_figure(value: float) -> str:
    """Write a figure with at most four digits that count."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def draw_plot(title: str, series: Sequence[Series], x_label: str, y_label: str) -> str:
    """Draw series over two axes that hold all of their points."""
    xs = _place_ticks([x for each in series for x, _ in each.points])
    ys = _place_ticks([y for each in series for _, y in each.points])

    def place(x: float, y: float) -> str:
        across = LEFT + (x - xs[0]) / (xs[-1] - xs[0]) * (WIDTH - LEFT - RIGHT)
        up = HEIGHT - BOTTOM - (y - ys[0]) / (ys[-1] - ys[0]) * (HEIGHT - TOP - BOTTOM)
        return f"{across:.1f},{up:.1f}"

    parts = [_draw_axes(xs, ys, x_label, y_label)]
    for each in series:
        places = [place(x, y) for x, y in each.points]
        if each.marks:
            for spot in places:
                x, _, y = spot.partition(",")
                parts.append(f'<circle class="mark {each.role}" cx="{x}" cy="{y}" r="3.5"/>')
        else:
            parts.append(f'<polyline class="line {each.role}" points="{" ".join(places)}"/>')
    legend = "".join(
        f'<li><i class="{each.role}"></i>{escape(each.name)}</li>' for each in series if each.name
    )
    return _frame(title, "".join(parts), HEIGHT, legend)


def draw_bars(title: str, bars: Sequence[Bar], *, bounds: Sequence[float] = ()) -> str:
    """Draw horizontal bars from 0, one below the other, with a line across at each bound."""
    figures = [bar.value for bar in bars if bar.value is not None]
    low, high = min([0.0, *figures, *bounds]), max([0.0, *figures, *bounds])
    span = (high - low) or 1.0
    left = _leave_room(bar.label for bar in bars)
    width = WIDTH - left - 62

    def across(value: float) -> float:
        return left + (value - low) / span * width

    height = ROW * len(bars) + 8
    parts = []
    for position, bar in enumerate(bars):
        top = ROW * position + 4
        role = "plain" if bar.ok is None else "good" if bar.ok else "bad"
        parts.append(_write_label(bar.label, left, top + 14))
        if bar.value is None:
            parts.append(f'<text x="{left + 4:.1f}" y="{top + 14}">not measured</text>')
            continue
        start, end = sorted((across(0.0), across(bar.value)))
        parts.append(
            f'<rect class="{role}" x="{start:.1f}" y="{top + 3}" height="{ROW - 7}" '
            f'width="{max(1.0, end - start):.1f}" rx="2"/>'
            f'<text x="{WIDTH - 2}" y="{top + 14}" text-anchor="end">'
            f"{show_figure(bar.value)}</text>"
        )
    parts += [
        f'<line class="bound" x1="{across(bound):.1f}" x2="{across(bound):.1f}" '
        f'y1="2" y2="{height - 2}"/>'
        for bound in bounds
    ]
    return _frame(title, "".join(parts), height, "")


def draw_swarms(title: str, swarms: Sequence[Swarm], names: Mapping[Role, str]) -> str:
    """Draw dots along a line for each label, one beside the other where they would cover it.

    Args:
        title: What is drawn.
        swarms: The dots, by label.
        names: What each colour stands for.
    """
    values = [dot.value for swarm in swarms for dot in swarm.dots]
    ticks = _place_ticks([0.0, *values])
    left, bottom = _leave_room(swarm.label for swarm in swarms), TALL * len(swarms) + 6

    def across(value: float) -> float:
        return left + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (WIDTH - left - RIGHT)

    parts = [
        f'<line class="{"bound" if tick == 0 else "grid"}" x1="{across(tick):.1f}" '
        f'x2="{across(tick):.1f}" y1="2" y2="{bottom}"/>'
        f'<text x="{across(tick):.1f}" y="{bottom + 16}" text-anchor="middle">'
        f"{show_figure(tick)}</text>"
        for tick in ticks
    ]
    for position, swarm in enumerate(swarms):
        middle = TALL * position + TALL / 2 + 3
        parts.append(_write_label(swarm.label, left, middle + 4))
        beside: Counter[int] = Counter()
        for dot in swarm.dots:
            x = across(dot.value)
            place = beside[round(x / 4)]
            beside[round(x / 4)] += 1
            # 0, 1, -1, 2, -2 …, and no further than the next label's line.
            away = (place + 1) // 2 * (1 if place % 2 else -1)
            y = middle + max(-TALL / 2, min(TALL / 2, 2.2 * away))
            parts.append(f'<circle class="mark {dot.role}" cx="{x:.1f}" cy="{y:.1f}" r="2"/>')
    legend = "".join(
        f'<li><i class="{role}"></i>{escape(name)}</li>' for role, name in names.items()
    )
    return _frame(title, "".join(parts), bottom + 24, legend)


def draw_meter(title: str, value: float, threshold: float, *, ok: bool) -> str:
    """Draw a figure as a short bar, with a stroke where the threshold lies."""
    low, high = min(0.0, value, threshold), max(0.0, value, threshold)
    span = (high - low) * 1.08 or 1.0

    def across(figure: float) -> float:
        return 2 + (figure - low) / span * 116

    start, end = sorted((across(0.0), across(value)))
    return (
        f'<svg class="meter" viewBox="0 0 120 16" role="img" aria-label="{escape(title)}">'
        f'<rect class="track" x="2" y="6" width="116" height="4" rx="2"/>'
        f'<rect class="{"good" if ok else "bad"}" x="{start:.1f}" y="4" '
        f'width="{max(1.0, end - start):.1f}" height="8" rx="2"/>'
        f'<line class="bound" x1="{across(threshold):.1f}" x2="{across(threshold):.1f}" '
        f'y1="0" y2="16"/></svg>'
    )


def draw_interval(title: str, low: float, middle: float, high: float, asked: float) -> str:
    """Draw a figure between its bounds, over an axis with 0 and what is asked."""
    ticks = _place_ticks([low, high, asked, 0.0])

    def across(figure: float) -> float:
        return 16 + (figure - ticks[0]) / (ticks[-1] - ticks[0]) * (WIDTH - 32)

    role = "good" if low > asked else "bad" if high <= asked else "plain"
    marks = "".join(
        f'<line class="grid" x1="{across(tick):.1f}" x2="{across(tick):.1f}" y1="8" y2="52"/>'
        f'<text x="{across(tick):.1f}" y="68" text-anchor="middle">{show_figure(tick)}</text>'
        for tick in ticks
    )
    drawn = (
        f'{marks}<line class="bound" x1="{across(asked):.1f}" x2="{across(asked):.1f}" '
        f'y1="4" y2="56"/>'
        f'<rect class="{role}" x="{across(low):.1f}" y="26" height="8" rx="2" '
        f'width="{max(1.0, across(high) - across(low)):.1f}"/>'
        f'<circle class="{role}" cx="{across(middle):.1f}" cy="30" r="6"/>'
    )
    return _frame(title, drawn, 76, "")


def _draw_axes(xs: Sequence[float], ys: Sequence[float], x_label: str, y_label: str) -> str:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for position, tick in enumerate(ys):
        y = bottom - position / (len(ys) - 1) * (bottom - TOP)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{show_figure(tick)}</text>'
        )
    for position, tick in enumerate(xs):
        x = LEFT + position / (len(xs) - 1) * (right - LEFT)
        parts.append(
            f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{show_figure(tick)}</text>'
        )
    middle = (TOP + bottom) / 2
    parts.append(
        f'<text class="axis" x="{(LEFT + right) / 2}" y="{HEIGHT - 6}" text-anchor="middle">'
        f"{escape(x_label)}</text>"
        f'<text class="axis" transform="rotate(-90 10 {middle})" x="10" y="{middle}" '
        f'text-anchor="middle">{escape(y_label)}</text>'
    )
    return "".join(parts)


def _leave_room(labels: Iterable[str]) -> float:
    return min(150.0, 16 + 6.4 * max(map(len, labels), default=0))


def _write_label(label: str, left: float, y: float) -> str:
    short = label if len(label) <= 21 else f"{label[:20]}…"
    return f'<text x="{left - 6:.1f}" y="{y:g}" text-anchor="end">{escape(short)}</text>'


def _frame(title: str, drawn: str, height: float, legend: str) -> str:
    names = f'<ul class="legend">{legend}</ul>' if legend else ""
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(title)}">'
        f"{drawn}</svg>{names}</figure>"
    )


def _place_ticks(values: Sequence[float]) -> list[float]:
    """Return round figures, evenly apart, between which all values lie."""
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * unit for unit in (1, 2, 2.5, 5, 10) if power * unit >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(tick * step, 12) for tick in range(first, last + 1)]
