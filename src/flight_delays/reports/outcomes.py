"""Plots of predictions and labels that suit each model type."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import confusion_matrix

from ..evaluation.curves import balance_alarms, bin_predictions, count_in_bins, sweep_thresholds
from ..evaluation.model_types import BINARY_CLASSIFICATION, ModelType, format_figure
from ..evaluation.observations import FloatArray
from .plots import Colour, Line, Plot, draw_lines
from .templating import TableRows

# Points of a cloud: more only make the page heavy.
CLOUD = 400
# Alarms below which precision is chance.
MIN_ALARMS = 30


@dataclass(frozen=True)
class Outcomes:
    """How predictions and labels of the same rows lie to each other.

    Attributes:
        plots: The plots.
        confusion: Counts of rows by alarm and label; none unless labels are 0 and 1.
        threshold: The prediction from which on there is an alarm.
    """

    plots: Sequence[Plot]
    confusion: TableRows | None = None
    threshold: float | None = None


def draw_outcomes(model_type: ModelType, labels: FloatArray, predictions: FloatArray) -> Outcomes:
    """Draw the plots of a model type."""
    calibration = draw_calibration(
        "Calibration: on the diagonal is best",
        [trace_calibration("a tenth of the rows each", labels, predictions, "first")],
    )
    if model_type.labels != BINARY_CLASSIFICATION.labels:
        actual, residuals, spread = _draw_numbers(labels, predictions)
        return Outcomes([actual, calibration, residuals, spread])
    threshold = balance_alarms(labels, predictions)
    counts = confusion_matrix(labels, predictions >= threshold, labels=[0, 1])
    (rest, false_alarms), (misses, hits) = counts.tolist()
    return Outcomes(
        [calibration, *_draw_probabilities(labels, predictions)],
        [
            ("Alarm", format_figure(hits), format_figure(false_alarms)),
            ("No alarm", format_figure(misses), format_figure(rest)),
        ],
        threshold,
    )


def trace_calibration(
    name: str, labels: FloatArray, predictions: FloatArray, colour: Colour
) -> Line:
    """Return mean label by mean prediction, in bins of equal numbers of rows."""
    bins = bin_predictions(labels, predictions)
    x, y = [each.prediction for each in bins], [each.label for each in bins]
    return Line(name=name, x=x, y=y, colour=colour, style="o-")


def draw_calibration(title: str, lines: Sequence[Line]) -> Plot:
    """Draw calibration lines and the diagonal."""
    diagonal = _draw_diagonal(*(line.x for line in lines), *(line.y for line in lines))
    return draw_lines(title, [diagonal, *lines], "mean prediction", "mean label")


def _draw_diagonal(*values: ArrayLike) -> Line:
    every = np.concatenate([np.asarray(each) for each in values])
    ends = [every.min(), every.max()]
    return Line(name="as predicted", x=ends, y=ends, colour="muted", style="--")


def _draw_probabilities(labels: FloatArray, predictions: FloatArray) -> list[Plot]:
    swept = sweep_thresholds(labels, predictions)
    precision = swept["precision"].where(swept["alarms"] * labels.size >= MIN_ALARMS)
    curves = [
        Line(name="precision", x=swept.index, y=precision, colour="first"),
        Line(name="recall", x=swept.index, y=swept["recall"], colour="second"),
        Line(name="share of rows", x=swept.index, y=swept["alarms"], colour="third"),
    ]
    classes: tuple[tuple[float, Colour], ...] = ((1.0, "second"), (0.0, "first"))
    spread = [
        _trace_counts(f"label {label:g}", predictions[labels == label], colour)
        for label, colour in classes
        if (labels == label).any()
    ]
    return [
        draw_lines("Alarm at a threshold and above", curves, "threshold", "share"),
        draw_lines("Distribution of predictions", spread, "prediction", "share of rows"),
    ]


def _draw_numbers(labels: FloatArray, predictions: FloatArray) -> tuple[Plot, Plot, Plot]:
    step = max(1, labels.size // CLOUD)
    x, y = predictions[::step], labels[::step]
    cloud = Line(name="a row", x=x, y=y, colour="first", style="o")
    name = "prediction minus label"
    residuals = Line(name=name, x=x, y=x - y, colour="first", style="o")
    none = Line(name="", x=[x.min(), x.max()], y=[0, 0], colour="muted", style="--")
    spread = _trace_counts(name, predictions - labels, "first")
    return (
        draw_lines("Predicted and actual", [_draw_diagonal(x, y), cloud], "prediction", "label"),
        draw_lines("Residuals by prediction", [none, residuals], "prediction", "residual"),
        draw_lines("Distribution of residuals", [spread], "residual", "share of rows"),
    )


def _trace_counts(name: str, values: FloatArray, colour: Colour) -> Line:
    middles, counts = zip(*count_in_bins(values), strict=True)
    return Line(name=name, x=middles, y=np.asarray(counts) / values.size, colour=colour)
