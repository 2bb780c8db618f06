"""Data of the plots: calibration, thresholds, slices and histograms."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import confusion_matrix, precision_recall_curve

from .model_types import Metric
from .observations import FloatArray
from .slices import name_values

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Rows with similar predictions."""

    prediction: float
    label: float
    rows: int


@dataclass(frozen=True)
class SliceFigure:
    """A metric within one value of a column.

    Attributes:
        label: Mean label.
        prediction: Mean prediction.
        figure: The metric; None if it cannot be measured.
    """

    column: str
    value: str
    rows: int
    label: float
    prediction: float
    figure: float | None


@dataclass(frozen=True)
class Alarms:
    """Confusion matrix at a threshold; predictions at or above it are alarms.

    Attributes:
        hits: True positives.
        false_alarms: False positives.
        missed: False negatives.
        rest: True negatives.
    """

    threshold: float
    hits: int
    false_alarms: int
    missed: int
    rest: int

    def cost(self, false_alarm: float, missed: float) -> float:
        """Return the mean cost per row."""
        rows = self.hits + self.false_alarms + self.missed + self.rest
        return (false_alarm * self.false_alarms + missed * self.missed) / rows


def count_alarms(labels: FloatArray, predictions: FloatArray, threshold: float) -> Alarms:
    """Return the confusion matrix at a threshold."""
    counts = confusion_matrix(labels, predictions >= threshold, labels=[0, 1])
    (rest, false_alarms), (missed, hits) = counts.tolist()
    return Alarms(threshold, hits, false_alarms, missed, rest)


def bin_predictions(labels: FloatArray, predictions: FloatArray, bins: int = BINS) -> list[Bin]:
    """Return quantile bins of the predictions, in ascending order.

    Rows with the same prediction share a bin, so there may be fewer than `bins`. Unlike
    scikit-learn's `calibration_curve`, it accepts regression predictions.
    """
    edges = np.unique(np.quantile(predictions, np.linspace(0, 1, bins + 1)[1:-1]))
    members = np.searchsorted(edges, predictions, side="right")
    return [
        Bin(
            float(predictions[members == each].mean()),
            float(labels[members == each].mean()),
            int((members == each).sum()),
        )
        for each in np.unique(members)
    ]


def sweep_thresholds(labels: FloatArray, predictions: FloatArray) -> pd.DataFrame:
    """Return precision, recall and alarm rate by threshold.

    Returns:
        Columns `precision`, `recall` and `alarms`, the share of rows with an alarm; no rows if no
        label is 1.
    """
    if not labels.any():
        return pd.DataFrame(columns=["precision", "recall", "alarms"], dtype=np.float64)
    precision, recall, thresholds = precision_recall_curve(labels, predictions)
    below = np.searchsorted(np.sort(predictions), thresholds)
    return pd.DataFrame(
        {"precision": precision[:-1], "recall": recall[:-1], "alarms": 1 - below / labels.size},
        index=pd.Index(thresholds, name="threshold"),
    )


def balance_alarms(labels: FloatArray, predictions: FloatArray) -> float:
    """Return the threshold at which the number of alarms is about the number of positives."""
    return float(np.quantile(predictions, 1 - labels.mean()))


def measure_slices(
    labels: FloatArray,
    predictions: FloatArray,
    slices: Mapping[str, ArrayLike],
    *,
    metric: Metric,
    min_rows: int,
) -> list[SliceFigure]:
    """Return the metric in every slice of `min_rows` rows or more, by column and value."""
    figures = []
    for column, values in slices.items():
        names = name_values(values)
        sizes = names.value_counts().sort_index()
        for value in sizes[sizes >= min_rows].index:
            rows = (names == value).to_numpy()
            truth, predicted = labels[rows], predictions[rows]
            figures.append(
                SliceFigure(
                    column,
                    value,
                    int(rows.sum()),
                    float(truth.mean()),
                    float(predicted.mean()),
                    metric.of(truth, predicted),
                )
            )
    return figures


def count_in_bins(values: FloatArray, bins: int = 24) -> tuple[FloatArray, NDArray[np.intp]]:
    """Return the midpoints and counts of bins of equal width.

    Values outside the 1st to 99th percentile are counted in the outermost bins.
    """
    low, high = np.quantile(values, [0.01, 0.99])
    counts, edges = np.histogram(np.clip(values, low, high), bins=bins)
    return (edges[:-1] + edges[1:]) / 2, counts
