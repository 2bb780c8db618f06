"""Two models side by side: as text for a terminal and a log, and as a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from ..evaluation.bootstrap import Comparison
from ..evaluation.curves import bin_predictions
from ..evaluation.observations import FloatArray
from ..evaluation.side_by_side import SideBySide, SliceSideBySide
from ..promotion.checks import show
from ..promotion.decide import CHAMPION
from ..promotion.decisions import Decision, Keep, Promote
from .charts import Bar, Role, Series, draw_bars, draw_interval, draw_plot, show_figure
from .page import write_page, write_paragraph, write_plots, write_section, write_table

Rows = list[tuple[str, ...]]
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
    metrics, gains, slices = list_metrics(report), list_gains(report), list_slices(report)
    return "\n".join(
        (
            f"Challenger: {report.challenger}",
            f"{CHAMPION}:   {report.champion}",
            f"On {report.rows}.",
            *caution(report),
            "",
            *write_grid(("Metric", *HEADS), metrics),
            "",
            *write_grid(("Gain in", "Gain", "Low", "High", "Confidence"), gains),
            "",
            *write_grid((f"{name_slices(report)} in", "Rows", *HEADS), slices),
            "",
            f"{name_decision(report)} {report.decision.reason}",
            advise(report.decision),
        )
    )


def write_comparison_page(report: ComparisonReport) -> str:
    """Return the comparison as HTML that needs nothing from elsewhere."""
    short = report.challenger.model.rpartition(".")[2]
    title = f"{short}, version {report.challenger.version}, against the {CHAMPION}"
    failed = "" if isinstance(report.decision, Promote) else " failed"
    found = report.comparisons[0]
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="muted">Challenger: {escape(str(report.challenger))}.<br>'
        f"{CHAMPION}: {escape(str(report.champion))}.<br>"
        f"On {escape(report.rows)}; compared {report.compared_at:%Y-%m-%d %H:%M} UTC.</p>",
        *map(write_paragraph, caution(report)),
        f'<div class="verdict{failed}"><strong>{escape(name_decision(report))}</strong>'
        f"<p>{escape(report.decision.reason)}</p></div>",
        write_section("What to do next", write_paragraph(advise(report.decision))),
        write_section(
            "Gain",
            write_paragraph(
                f"By {found.loss} it is decided: the lower bound must exceed "
                f"{show(report.asked, found.unit)}."
            ),
            write_plots(
                *(
                    draw_interval(
                        f"Gain in {each.loss}, to the right is better",
                        each.low,
                        each.gain,
                        each.high,
                        report.asked if each is found else 0.0,
                    )
                    for each in report.comparisons
                )
            ),
            write_table(("Gain in", "Gain", "Low", "High", "Confidence"), list_gains(report)),
        ),
        write_section("Metrics", write_table(("Metric", *HEADS), list_metrics(report))),
        write_section("Calibration", write_plots(draw_calibration(report))),
        write_section("Slices", *write_slices(report)),
    ]
    return write_page(title, parts)


def name_decision(report: ComparisonReport) -> str:
    """Return what would be decided, in a few words."""
    would = "reject it"
    if isinstance(report.decision, Promote):
        would = "promote it"
    elif isinstance(report.decision, Keep):
        would = f"keep the {CHAMPION}"
    return f"As version {report.number} of {report.champion.model} the gate would {would}."


def caution(report: ComparisonReport) -> list[str]:
    """Return what the figures are not to be trusted for; nothing where they are fair."""
    challenger, champion = report.challenger.as_of, report.champion.as_of
    if challenger and champion and champion <= challenger:
        return []
    known = "was trained later" if challenger and champion else "may have been trained later"
    return [
        f"The {CHAMPION} {known} and then has learned from these very rows: its figures are too "
        "good. Train as of a later instant for a fair comparison."
    ]


def advise(decision: Decision) -> str:
    """Return what a person does next."""
    match decision:
        case Promote():
            return (
                "Nothing was promoted: code is. Bring the change by a pull request; where the "
                f"{CHAMPION} stands, model_training then trains anew and its own gate decides."
            )
        case Keep():
            return (
                f"The {CHAMPION} is as good, or nearly so: look where the slices differ, give more "
                "rows to learn from or other features, train and compare again."
            )
        case _:
            return "See to what the reason names, then compare again."


def list_metrics(report: ComparisonReport) -> Rows:
    """Return every metric with both figures and whose is better."""
    return [(_name(each), *_show_both(each)) for each in report.metrics]


def list_gains(report: ComparisonReport) -> Rows:
    """Return the gain by each loss between its bounds."""
    return [
        (
            f"{each.loss} ({each.unit})" if each.unit else each.loss,
            *(show_figure(figure) for figure in (each.gain, each.low, each.high)),
            f"{100 * each.confidence:g}%",
        )
        for each in report.comparisons
    ]


def list_slices(report: ComparisonReport) -> Rows:
    """Return the figures of both within each slice."""
    return [
        (f"{each.column} = {each.value}", f"{each.rows:,}", *_show_both(each.contrast))
        for each in report.slices
    ]


def name_slices(report: ComparisonReport) -> str:
    """Return the name of the metric that slices are measured by."""
    return report.slices[0].contrast.metric.name if report.slices else "Nothing measured"


def write_grid(heads: Sequence[str], rows: Rows) -> list[str]:
    """Return a table as lines of text, every column but the first to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]

    def write_line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        rest = (f"{cell:>{width}}" for cell, width in others)
        return "  ".join((f"{first[0]:<{first[1]}}", *rest)).rstrip()

    return [write_line(heads), *map(write_line, rows)]


def draw_calibration(report: ComparisonReport) -> str:
    """Draw what both predicted against what happened, in bins of as many rows each."""
    both: tuple[tuple[str, FloatArray, Role], ...] = (
        ("Challenger", report.predictions, "first"),
        (CHAMPION, report.incumbent, "second"),
    )
    lines = [
        Series(
            name=name,
            points=[(each.prediction, each.label) for each in bin_predictions(report.labels, said)],
            role=role,
        )
        for name, said, role in both
    ]
    across = [x for line in lines for x, _ in line.points]
    ends = [(end, end) for end in (min(across), max(across))]
    return draw_plot(
        "The nearer to the diagonal, the better",
        [Series(name="as predicted", points=ends, role="faint"), *lines],
        "mean prediction",
        "mean label",
    )


def write_slices(report: ComparisonReport) -> list[str]:
    """Return how far apart both are within each slice, plotted and listed."""
    if not report.slices:
        return [write_paragraph("No slice has as many rows as the policy asks for.")]
    metric = name_slices(report)
    columns = dict.fromkeys(each.column for each in report.slices)
    plots = [
        draw_bars(
            f"{metric} by {column}: Challenger minus {CHAMPION}",
            [_draw_slice(each) for each in report.slices if each.column == column],
        )
        for column in columns
    ]
    return [
        write_plots(*plots),
        write_table(("Slice", "Rows", *HEADS), list_slices(report)),
    ]


def _draw_slice(each: SliceSideBySide) -> Bar:
    challenger, champion = each.contrast.challenger, each.contrast.champion
    if challenger is None or champion is None:
        return Bar(each.value, None)
    better = each.contrast.better
    return Bar(
        each.value, challenger - champion, None if better is None else better == "challenger"
    )


def _name(contrast: SideBySide) -> str:
    unit = contrast.metric.unit
    return f"{contrast.metric.name} ({unit})" if unit else contrast.metric.name


def _show_both(contrast: SideBySide) -> tuple[str, str, str]:
    return (
        _show(contrast.challenger),
        _show(contrast.champion),
        NAMES[contrast.better],
    )


def _show(figure: float | None) -> str:
    return "not measured" if figure is None else show_figure(figure)
