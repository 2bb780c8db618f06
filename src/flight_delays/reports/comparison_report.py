"""The comparison of two models, as text and as an HTML page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..evaluation.comparison import Comparison
from ..evaluation.model_types import format_figure
from ..evaluation.observations import FloatArray
from ..evaluation.side_by_side import SideBySide, SliceSideBySide
from ..promotion.decide import CHAMPION, Decision
from ..promotion.model_version import ModelVersion
from ..promotion.rules import Requirement
from . import render
from .outcomes import draw_calibration, trace_calibration
from .plots import Bar, Plot, draw_bars, draw_gain

HEADS = ("Challenger", CHAMPION, "Better")
NAMES = {"challenger": "Challenger", "champion": CHAMPION, None: ""}


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparisonReport:
    """The content of a comparison.

    Attributes:
        challenger: The candidate for promotion.
        champion: The Champion of another target.
        number: The number that the challenger would have in the Champion's model.
        decision: The expected decision of the Champion's gate.
        comparisons: The comparison by each loss; the first, the policy's, decides.
        slices: The policy's metric of both by slice; None if the policy has no slices.
        incumbent: The champion's predictions.
    """

    challenger: ModelVersion
    champion: ModelVersion
    compared_at: datetime
    rows: str
    number: int
    decision: Decision
    asked: Requirement
    comparisons: Sequence[Comparison]
    metrics: Sequence[SideBySide]
    slices: Sequence[SliceSideBySide] | None
    labels: FloatArray
    predictions: FloatArray
    incumbent: FloatArray


def write_comparison(report: ComparisonReport) -> str:
    """Return the comparison as plain text."""
    return render("comparison.txt.j2", report=report, **_list_values(report))


def write_comparison_page(report: ComparisonReport) -> str:
    """Return the comparison as self-contained HTML."""
    first, *others = report.comparisons
    labels = report.labels
    return render(
        "comparison.html.j2",
        report=report,
        **_list_values(report),
        intervals=[
            draw_gain(first, report.asked.bound),
            *(draw_gain(each, 0.0) for each in others),
        ],
        calibration=draw_calibration(
            "On the diagonal is best",
            [
                trace_calibration("Challenger", labels, report.predictions, "first"),
                trace_calibration(CHAMPION, labels, report.incumbent, "second"),
            ],
        ),
        slice_plots=draw_differences(report),
    )


def _list_values(report: ComparisonReport) -> Mapping[str, object]:
    """Return the description of both versions, and headers and rows of the tables."""
    metrics = [
        (_name(each.metric.name, each.metric.unit), *_format_both(each)) for each in report.metrics
    ]
    gains = [
        (
            _name(each.loss, each.unit),
            *map(format_figure, (each.gain, each.low, each.high)),
            f"{100 * each.confidence:g}%",
            f"{each.wins:,} of {each.blocks:,}",
        )
        for each in report.comparisons
    ]
    slices = [
        (f"{each.column} = {each.value}", f"{each.rows:,}", *_format_both(each.contrast))
        for each in report.slices or ()
    ]
    metric = report.slices[0].contrast.metric.name if report.slices else ""
    return {
        "challenger": _describe(report.challenger),
        "champion": _describe(report.champion),
        "metrics": (("Metric", *HEADS), metrics),
        "gains": (("Gain in", "Gain", "Low", "High", "Confidence", "Days won"), gains),
        "slices": ((f"{metric} in", "Rows", *HEADS), slices),
    }


def _describe(version: ModelVersion) -> str:
    as_of = f"{version.as_of:%Y-%m-%d %H:%M} UTC" if version.as_of else "an instant not recorded"
    return f"version {version.version} of {version.model}, trained as of {as_of}"


def draw_differences(report: ComparisonReport) -> list[Plot]:
    """Return a plot of the metric's difference by slice for each column."""
    slices = report.slices or ()
    return [
        draw_bars(
            f"{slices[0].contrast.metric.name} by {column}: Challenger minus {CHAMPION}",
            [_subtract(each) for each in slices if each.column == column],
        )
        for column in dict.fromkeys(each.column for each in slices)
    ]


def _subtract(each: SliceSideBySide) -> Bar:
    challenger, champion = each.contrast.challenger, each.contrast.champion
    if challenger is None or champion is None:
        return Bar(each.value, None)
    better = each.contrast.better
    return Bar(
        each.value, challenger - champion, None if better is None else better == "challenger"
    )


def _name(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _format_both(contrast: SideBySide) -> tuple[str, str, str]:
    return (
        format_figure(contrast.challenger),
        format_figure(contrast.champion),
        NAMES[contrast.better],
    )
