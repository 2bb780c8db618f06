"""Plots as SVG."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flight_delays.evaluation.comparison import Comparison
from flight_delays.reports import plots
from flight_delays.reports.plots import (
    COLOURS,
    Bar,
    Line,
    Plot,
    Swarm,
    draw_bars,
    draw_gain,
    draw_lines,
    draw_swarms,
    spread_dots,
)

BARS = [Bar("a<b", 0.25, True), Bar("c", None), Bar("d", -1234.5, False)]

GAIN = Comparison(
    loss="log_loss", unit="nats", gain=0.2, low=0.1, high=0.3, confidence=0.95,
    rows=100, blocks=10, wins=8, challenger_loss=0.5, incumbent_loss=0.7, identical=False,
)  # fmt: skip


def draw_all() -> list[Plot]:
    swarm = Swarm("s", {"first": np.array([0.5, 0.5]), "muted": np.array([-1.0])})
    return [
        draw_lines("<Lines>", [Line(name="n", x=[0, 1], y=[2, 3], colour="first")], "x", "y"),
        draw_bars("Bars", BARS, bounds=[0.5]),
        draw_swarms("Swarms", [swarm], {"first": "low", "muted": "missing"}),
        draw_gain(GAIN, 0.0),
    ]


def test_same_data_give_same_bytes() -> None:
    assert draw_all() == draw_all()


def test_svg_has_only_colours_of_the_style_sheet_in_light_and_dark() -> None:
    page = (Path(plots.__file__).parent / "templates" / "page.html.j2").read_text()
    for plot in draw_all():
        used = set(re.findall(r"(?:fill|stroke): ([^;\"]+)", plot.svg)) - {"none"}
        assert used <= {f"var(--{name})" for name in COLOURS}
    for name in COLOURS:
        assert page.count(f"--{name}: #") == 2


def test_title_is_an_escaped_label_and_no_size_is_fixed() -> None:
    lines = draw_all()[0]
    assert lines.title == "<Lines>"
    assert re.match(r'<svg viewBox="[\d. ]+" role="img" aria-label="&lt;Lines&gt;">', lines.svg)


def test_bars_have_label_and_figure() -> None:
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", draw_bars("Bars", BARS).svg)
    assert texts == ["a&lt;b", "c", "d", "0.25", "not measured", "-1,234"]


@pytest.mark.parametrize(
    ("low", "high", "threshold", "colour"),
    [(0.1, 0.3, 0.0, "good"), (-0.1, 0.3, 0.0, "first"), (-0.3, 0.0, 0.0, "bad")],
)
def test_gain_has_the_colour_of_its_verdict(
    low: float, high: float, threshold: float, colour: str
) -> None:
    svg = draw_gain(replace(GAIN, low=low, high=high), threshold).svg
    assert set(re.findall(r"var\(--(good|bad|first)\)", svg)) == {colour}


def test_dots_of_the_same_value_are_spread_within_their_row() -> None:
    spread = spread_dots(
        Swarm("s", {"first": np.full(3, 0.5), "second": np.array([0.5, -1.0])}), step=0.01
    )
    assert spread["first"] == pytest.approx([0, 0.08, -0.08])
    assert spread["second"] == pytest.approx([0.16, 0])
    crowd = spread_dots(Swarm("s", {"first": np.zeros(300)}), step=0.01)["first"]
    assert np.abs(crowd).max() == 0.45
