"""Two models side by side: as text for a terminal and a log, and as a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..evaluation.bootstrap import Comparison
from ..evaluation.figures import format_figure
from ..evaluation.observations import FloatArray
from ..evaluation.side_by_side import SideBySide, SliceSideBySide
from ..promotion.decide import CHAMPION
from ..promotion.decisions import Decision, Keep, Promote
from .outcomes import draw_calibration, trace_calibration
from .plots import Bar, Plot, draw_bars
from .templating import Rows, render
from .validation_report import draw_gain

HEADS = ("Challenger", CHAMPION, "Better")
NAMES = {"challenger": "Challenger", "champion": CHAMPION, None: ""}


@dataclass(frozen=True)
class ComparedVersion:
    """One of the two.

    Attributes:
        model: Full name of its registered model.
        version: Its version.
        as_of: The instant before which it was trained; None where it is not recorded.
    """

    model: str
    version: int
    as_of: datetime | None

    def __str__(self) -> str:
        """Says which it is."""
        as_of = f"{self.as_of:%Y-%m-%d %H:%M} UTC" if self.as_of else "an instant not recorded"
        return f"version {self.version} of {self.model}, trained as of {as_of}"


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparisonReport:
    """All that is shown of two models.

    Attributes:
        challenger: The one that is tried.
        champion: The one in use elsewhere.
        compared_at: When they were compared.
        rows: On which rows, in words.
        number: The number that the challenger would have beside the champion.
        decision: What the gate that made the champion would decide.
        asked: What the lower bound of the gain must exceed.
        comparisons: How both did by each loss; the first is the policy's, and decides.
        metrics: Every metric of both.
        slices: The policy's metric of both within each slice.
        labels: What happened.
        predictions: What the challenger predicted.
        incumbent: What the champion predicted.
    """

    challenger: ComparedVersion
    champion: ComparedVersion
    compared_at: datetime
    rows: str
    number: int
    decision: Decision
    asked: float
    comparisons: Sequence[Comparison]
    metrics: Sequence[SideBySide]
    slices: Sequence[SliceSideBySide]
    labels: FloatArray
    predictions: FloatArray
    incumbent: FloatArray


def write_comparison(report: ComparisonReport) -> str:
    """Return the comparison as plain text."""
    return render("comparison.txt.j2", **_gather(report))


def write_comparison_page(report: ComparisonReport) -> str:
    """Return the comparison as HTML that loads nothing from elsewhere."""
    first, *others = report.comparisons
    labels = report.labels
    return render(
        "comparison.html.j2",
        **_gather(report),
        promoted=isinstance(report.decision, Promote),
        intervals=[draw_gain(first, report.asked), *(draw_gain(each, 0.0) for each in others)],
        calibration=draw_calibration(
            "On the diagonal is best",
            [
                trace_calibration("Challenger", labels, report.predictions, "first"),
                trace_calibration(CHAMPION, labels, report.incumbent, "second"),
            ],
        ),
        slice_plots=draw_differences(report),
    )


def _gather(report: ComparisonReport) -> Mapping[str, object]:
    """Return what text and page both show."""
    name = report.slices[0].contrast.metric.name if report.slices else ""
    return {
        "report": report,
        "decision": name_decision(report),
        "caution": find_caution(report),
        "advice": suggest_step(report.decision),
        "metrics": (
            ("Metric", *HEADS),
            [
                (_name(each.metric.name, each.metric.unit), *_show_both(each))
                for each in report.metrics
            ],
        ),
        "gains": (("Gain in", "Gain", "Low", "High", "Confidence"), list_gains(report)),
        "slices": (
            (f"{name} in", "Rows", *HEADS),
            [
                (f"{each.column} = {each.value}", f"{each.rows:,}", *_show_both(each.contrast))
                for each in report.slices
            ],
        ),
    }


def name_decision(report: ComparisonReport) -> str:
    """Return the expected decision in a sentence."""
    would = "reject it"
    if isinstance(report.decision, Promote):
        would = "promote it"
    elif isinstance(report.decision, Keep):
        would = f"keep the {CHAMPION}"
    return f"As version {report.number} of {report.champion.model} the gate would {would}."


def find_caution(report: ComparisonReport) -> str:
    """Return why the figures may be biased; "" where they are not."""
    challenger, champion = report.challenger.as_of, report.champion.as_of
    if challenger and champion and champion <= challenger:
        return ""
    known = "was trained later" if challenger and champion else "may have been trained later"
    return (
        f"The {CHAMPION} {known}, and then on these rows too: its figures are biased upwards. "
        "Train as of a later instant for a fair comparison."
    )


def suggest_step(decision: Decision) -> str:
    """Return what to do next."""
    match decision:
        case Promote():
            return (
                "Nothing was promoted; code is promoted, not models. Open a pull request: "
                f"model_training then runs where the {CHAMPION} is, and its own gate decides."
            )
        case Keep():
            return (
                f"The {CHAMPION} is as good, or nearly so: look where the slices differ, add "
                "training rows or features, train and compare again."
            )
        case _:
            return "Correct what the reason names, then compare again."


def list_gains(report: ComparisonReport) -> Rows:
    """Return the gain by each loss with its interval."""
    return [
        (
            _name(each.loss, each.unit),
            *map(format_figure, (each.gain, each.low, each.high)),
            f"{100 * each.confidence:g}%",
        )
        for each in report.comparisons
    ]


def draw_differences(report: ComparisonReport) -> list[Plot]:
    """Draw the difference of the metric within each slice, by column."""
    return [
        draw_bars(
            f"{report.slices[0].contrast.metric.name} by {column}: Challenger minus {CHAMPION}",
            [_subtract(each) for each in report.slices if each.column == column],
        )
        for column in dict.fromkeys(each.column for each in report.slices)
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


def _show_both(contrast: SideBySide) -> tuple[str, str, str]:
    return (
        format_figure(contrast.challenger),
        format_figure(contrast.champion),
        NAMES[contrast.better],
    )
