"""Plots of predictions and labels by model type."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import roc_curve

from ..evaluation.curves import (
    Alarms,
    balance_alarms,
    bin_predictions,
    count_alarms,
    count_in_bins,
    sweep_thresholds,
)
from ..evaluation.model_types import BINARY_CLASSIFICATION, ModelType
from ..evaluation.observations import FloatArray
from .plots import Colour, Line, Plot, draw_lines

# Maximum points of a scatter plot, to limit the page's size.
CLOUD = 400
# With fewer alarms, precision is too noisy to show.
MIN_ALARMS = 30


@dataclass(frozen=True)
class Outcomes:
    """Plots of predictions and labels.

    Attributes:
        alarms: The confusion matrix; None unless the model is binary.
    """

    plots: Sequence[Plot]
    alarms: Alarms | None = None


def draw_outcomes(
    model_type: ModelType,
    labels: FloatArray,
    predictions: FloatArray,
    threshold: float | None = None,
) -> Outcomes:
    """Return the plots of a model type.

    A prediction from `threshold` on is an alarm; by default there are as many alarms as positives.
    """
    calibration = draw_calibration(
        "Calibration: on the diagonal is best",
        [trace_calibration("a tenth of the rows each", labels, predictions, "first")],
    )
    if model_type.labels != BINARY_CLASSIFICATION.labels:
        actual, residuals, spread = _draw_numbers(labels, predictions)
        return Outcomes([actual, calibration, residuals, spread])
    if threshold is None:
        threshold = balance_alarms(labels, predictions)
    return Outcomes(
        [calibration, *_draw_probabilities(labels, predictions)],
        count_alarms(labels, predictions, threshold),
    )


def draw_days(days: ArrayLike, labels: FloatArray, predictions: Mapping[str, FloatArray]) -> Plot:
    """Return a plot of mean label and mean predictions of one or two models by local day."""
    means = pd.DataFrame({"label": labels, **predictions}).groupby(np.asarray(days)).mean()
    colours: tuple[Colour, ...] = ("muted", "first", "second")
    numbers = np.arange(len(means)) + 1
    return draw_lines(
        "Mean by day",
        [
            Line(name=str(name), x=numbers, y=means[name], colour=colour, style="o-")
            for name, colour in zip(means, colours, strict=False)
        ],
        f"day of the holdout, from {means.index[0]:%Y-%m-%d}",
        "mean",
    )


def trace_calibration(
    name: str, labels: FloatArray, predictions: FloatArray, colour: Colour
) -> Line:
    """Return the calibration curve, in quantile bins."""
    bins = bin_predictions(labels, predictions)
    x, y = [each.prediction for each in bins], [each.label for each in bins]
    return Line(name=name, x=x, y=y, colour=colour, style="o-")


def draw_calibration(title: str, lines: Sequence[Line]) -> Plot:
    """Return a plot of calibration curves and the diagonal."""
    diagonal = _draw_diagonal(*(line.x for line in lines), *(line.y for line in lines))
    return draw_lines(title, [diagonal, *lines], "mean prediction", "mean label")


def _draw_diagonal(*values: ArrayLike) -> Line:
    every = np.concatenate([np.asarray(each) for each in values])
    ends = [every.min(), every.max()]
    return Line(name="as predicted", x=ends, y=ends, colour="muted", style="--")


def _draw_probabilities(labels: FloatArray, predictions: FloatArray) -> list[Plot]:
    swept = sweep_thresholds(labels, predictions)
    swept = swept[swept["alarms"] * labels.size >= MIN_ALARMS]
    curves = [
        Line(name="precision", x=swept.index, y=swept["precision"], colour="first"),
        Line(name="recall", x=swept.index, y=swept["recall"], colour="second"),
        Line(name="share of rows", x=swept.index, y=swept["alarms"], colour="third"),
    ]
    classes: tuple[tuple[float, Colour], ...] = ((1.0, "second"), (0.0, "first"))
    spread = [
        _trace_counts(f"label {label:g}", predictions[labels == label], colour)
        for label, colour in classes
        if (labels == label).any()
    ]
    plots = [
        draw_lines("Alarm at a threshold and above", curves, "threshold", "share"),
        draw_lines("Distribution of predictions", spread, "prediction", "share of rows"),
    ]
    if len(spread) < len(classes) or swept.empty:
        return plots
    precision = Line(name="this model", x=swept["recall"], y=swept["precision"], colour="first")
    false, found, _ = roc_curve(labels, predictions)
    chance = Line(name="by chance", x=[0, 1], y=[0, 1], colour="muted", style="--")
    roc = Line(name="this model", x=false, y=found, colour="first")
    lift = swept["precision"] / labels.mean()
    return [
        *plots,
        draw_lines("Precision by recall", [precision], "recall", "precision"),
        draw_lines("ROC", [chance, roc], "share of label 0 with an alarm", "recall"),
        draw_lines(
            "Lift: precision by share of label 1",
            [Line(name="this model", x=swept["alarms"], y=lift, colour="first")],
            "share of rows, the highest predictions first",
            "lift",
        ),
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
    middles, counts = count_in_bins(values)
    return Line(name=name, x=middles, y=counts / values.size, colour=colour)
