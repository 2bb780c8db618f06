"""How predictions lie to what happened: the plots that suit each model type."""

import numpy as np

from ..evaluation.curves import (
    balance_alarms,
    bin_predictions,
    count_confusion,
    count_in_bins,
    sweep_thresholds,
)
from ..evaluation.model_types import BINARY_CLASSIFICATION, ModelType
from ..evaluation.observations import FloatArray
from .charts import Role, Series, draw_plot, show_figure
from .page import write_paragraph, write_plots, write_table

# Points of a cloud: more only make the page heavy.
CLOUD = 400
# Alarms below which precision is chance.
FEW = 30


def draw_outcomes(model_type: ModelType, labels: FloatArray, predictions: FloatArray) -> list[str]:
    """Return the plots of a model type, as HTML."""
    if model_type.labels == BINARY_CLASSIFICATION.labels:
        return _draw_probabilities(labels, predictions)
    return _draw_numbers(labels, predictions)


def draw_reliability(labels: FloatArray, predictions: FloatArray) -> str:
    """Draw what was predicted against what happened, in bins of as many rows each."""
    bins = bin_predictions(labels, predictions)
    points = [(each.prediction, each.label) for each in bins]
    ends = [min(min(p) for p in points), max(max(p) for p in points)]
    return draw_plot(
        "Calibration: the nearer to the diagonal, the better",
        [
            Series(name="as predicted", points=[(end, end) for end in ends], role="faint"),
            Series(name="", points=points, role="first"),
            Series(name="a tenth of the rows each", points=points, role="first", marks=True),
        ],
        "mean prediction",
        "mean label",
    )


def _draw_probabilities(labels: FloatArray, predictions: FloatArray) -> list[str]:
    points = sweep_thresholds(labels, predictions)

    def trace(name: str) -> list[tuple[float, float]]:
        figures = [
            (point.threshold, getattr(point, name))
            for point in points
            if name != "precision" or point.alarms * labels.size >= FEW
        ]
        return [(x, y) for x, y in figures if y is not None]

    curves = draw_plot(
        "Alarm at a threshold and above",
        [
            Series(name="precision", points=trace("precision"), role="first"),
            Series(name="recall", points=trace("recall"), role="second"),
            Series(name="share of rows with an alarm", points=trace("alarms"), role="third"),
        ],
        "threshold",
        "share",
    )
    outcomes: tuple[tuple[float, Role], ...] = ((1.0, "second"), (0.0, "first"))
    spread = draw_plot(
        "How predictions spread",
        [
            _trace_counts(f"label {label:g}", predictions[labels == label], role)
            for label, role in outcomes
            if (labels == label).any()
        ],
        "prediction",
        "share of rows",
    )
    found = count_confusion(labels, predictions, balance_alarms(labels, predictions))
    confusion = write_table(
        ("", "Label 1", "Label 0"),
        [
            ("Alarm", f"{found.hits:,}", f"{found.false_alarms:,}"),
            ("No alarm", f"{found.misses:,}", f"{found.rest:,}"),
        ],
    )
    return [
        write_plots(draw_reliability(labels, predictions), curves, spread),
        write_paragraph(
            f"Rows by alarm and by what happened, with an alarm at {show_figure(found.threshold)} "
            "and above, where there are as many alarms as cases:"
        ),
        confusion,
    ]


def _draw_numbers(labels: FloatArray, predictions: FloatArray) -> list[str]:
    residuals = predictions - labels
    step = max(1, labels.size // CLOUD)
    cloud = list(zip(predictions[::step].tolist(), labels[::step].tolist(), strict=True))
    both = np.concatenate([labels, predictions])
    ends = [float(both.min()), float(both.max())]
    left = [(x, x - y) for x, y in cloud]
    across = [(min(x for x, _ in left), 0.0), (max(x for x, _ in left), 0.0)]
    return [
        write_plots(
            draw_plot(
                "Predicted and actual",
                [
                    Series(name="as predicted", points=[(e, e) for e in ends], role="faint"),
                    Series(name="a row", points=cloud, role="first", marks=True),
                ],
                "prediction",
                "label",
            ),
            draw_reliability(labels, predictions),
            draw_plot(
                "Residuals by prediction",
                [
                    Series(name="none", points=across, role="faint"),
                    Series(name="prediction minus label", points=left, role="first", marks=True),
                ],
                "prediction",
                "residual",
            ),
            draw_plot(
                "How residuals spread",
                [_trace_counts("prediction minus label", residuals, "first")],
                "residual",
                "share of rows",
            ),
        )
    ]


def _trace_counts(name: str, values: FloatArray, role: Role) -> Series:
    points = [(middle, count / values.size) for middle, count in count_in_bins(values)]
    return Series(name=name, points=points, role=role)
