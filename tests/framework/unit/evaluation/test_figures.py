"""Formatting of figures."""

import math

import pytest

from flight_delays.evaluation.model_types import (
    format_estimate,
    format_figure,
    format_metrics,
    regression,
)


@pytest.mark.parametrize(
    ("figure", "unit", "written"),
    [
        (12345, "", "12,345"),
        (12345.6, "EUR", "12,346 EUR"),
        (-1234.5, "", "-1,234"),
        (0.0612345, "nats", "0.06123 nats"),
        (0.0, "", "0"),
        (1e300, "", "1e+300"),
        (math.inf, "", "inf"),
        (None, "EUR", "not measured"),
    ],
)
def test_figure_has_its_digits_and_unit(figure: float | None, unit: str, written: str) -> None:
    assert format_figure(figure, unit) == written


@pytest.mark.parametrize(
    ("figure", "spread", "written"),
    [
        (0.0123456, 0.00041, "0.0123 ± 0.0004 nats"),
        (0.0123456, 0.04, "0.01 ± 0.04 nats"),
        (-0.5, 0.1, "-0.5 ± 0.1 nats"),
        (12345.6, 78.9, "12,346 ± 79 nats"),
        (0.0123456, 0.0, "0.01235 nats"),
        (0.0123456, math.nan, "0.01235 nats"),
    ],
)
def test_estimate_has_the_digits_that_its_spread_allows(
    figure: float, spread: float, written: str
) -> None:
    assert format_estimate(figure, spread, "nats") == written


def test_metrics_are_written_in_a_line_with_units() -> None:
    assert format_metrics({"mae": 2.0, "r2": 0.5}, regression("EUR")) == "mae 2 EUR, r2 0.5"
