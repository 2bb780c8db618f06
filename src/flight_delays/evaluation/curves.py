"""What plots are drawn of: how predictions lie to what happened, as short tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .model_types import Metric
from .observations import FloatArray

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Rows whose predictions are alike.

    Attributes:
        prediction: Their mean prediction.
        label: Their mean label.
        rows: How many they are.
    """

    prediction: float
    label: float
    rows: int


@dataclass(frozen=True)
class Operating:
    """What comes of an alarm at a threshold and above.

    Attributes:
        threshold: The lowest prediction that raises an alarm.
        precision: Share of the alarms that were right; None where there is no alarm.
        recall: Share of the cases that an alarm was raised for; None where there is no case.
        alarms: Share of the rows with an alarm.
    """

    threshold: float
    precision: float | None
    recall: float | None
    alarms: float


@dataclass(frozen=True)
class Confusion:
    """Rows by alarm and by what happened, for an alarm at `threshold` and above."""

    threshold: float
    hits: int
    false_alarms: int
    misses: int
    rest: int


@dataclass(frozen=True)
class SliceFigure:
    """A metric within one value of a column.

    Attributes:
        column: The column.
        value: Its value.
        rows: How many rows have it.
        label: Their mean label.
        prediction: Their mean prediction.
        figure: The metric; None where it cannot be measured.
    """

    column: str
    value: str
    rows: int
    label: float
    prediction: float
    figure: float | None


def bin_predictions(labels: FloatArray, predictions: FloatArray, bins: int = BINS) -> list[Bin]:
    """Return bins of as many rows each as can be, from low predictions to high.

    Rows with the same prediction share a bin, so there may be fewer bins.
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


def sweep_thresholds(
    labels: FloatArray, predictions: FloatArray, thresholds: Sequence[float] | None = None
) -> list[Operating]:
    """Return what comes of an alarm at each threshold; every two hundredths unless told."""
    asked = np.arange(0, 51) / 50 if thresholds is None else np.asarray(thresholds)
    cases = float(labels.sum())
    points = []
    for threshold in asked:
        alarms = predictions >= threshold
        raised, hits = int(alarms.sum()), float(labels[alarms].sum())
        points.append(
            Operating(
                float(threshold),
                hits / raised if raised else None,
                hits / cases if cases else None,
                raised / labels.size,
            )
        )
    return points


def balance_alarms(labels: FloatArray, predictions: FloatArray) -> float:
    """Return the threshold at which there are as many alarms as cases, or nearly so."""
    return float(np.quantile(predictions, 1 - labels.mean()))


def count_confusion(labels: FloatArray, predictions: FloatArray, threshold: float) -> Confusion:
    """Return the rows by alarm and by what happened."""
    alarms, cases = predictions >= threshold, labels == 1
    return Confusion(
        threshold,
        hits=int((alarms & cases).sum()),
        false_alarms=int((alarms & ~cases).sum()),
        misses=int((~alarms & cases).sum()),
        rest=int((~alarms & ~cases).sum()),
    )


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
        raw = pd.Series(np.asarray(values, dtype=object))
        names = raw.where(raw.notna(), "missing").astype(str)
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


def count_in_bins(values: FloatArray, bins: int = 24) -> list[tuple[float, int]]:
    """Return the middles of bins of equal width and how many values fall into each.

    What lies beyond the first and the last hundredth falls into the outermost bins.
    """
    low, high = np.quantile(values, [0.01, 0.99])
    counts, edges = np.histogram(np.clip(values, low, high), bins=bins)
    middles = (edges[:-1] + edges[1:]) / 2
    return [(float(m), int(c)) for m, c in zip(middles, counts, strict=True)]
