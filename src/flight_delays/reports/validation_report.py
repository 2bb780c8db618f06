"""The page that says whether a version may challenge, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

import numpy as np
from numpy.typing import ArrayLike

from ..config.policy import Policy
from ..evaluation.bootstrap import Comparison
from ..evaluation.curves import SliceFigure, measure_slices
from ..evaluation.errors import UnusableInputError
from ..evaluation.freshness import Freshness
from ..evaluation.model_types import ModelType
from ..evaluation.observations import FloatArray
from ..promotion.checks import Check, show
from ..promotion.decisions import Failed, Verdict
from .charts import Bar, draw_bars, draw_interval, draw_meter, show_figure
from .freshness import write_freshness
from .outcomes import draw_outcomes
from .page import write_page, write_paragraph, write_plots, write_section, write_table

# The first that a check's name starts with; what to look at where it does not hold.
ADVICE = (
    ("labels", "Look at the source of the label: an outcome is missing or not allowed."),
    ("rows", "Give a later as_of or a longer holdout window in the policy."),
    ("served_difference", "The endpoint would answer otherwise than batch inference: compare the "
     "types of the model's inputs with its signature."),
    ("prediction_spread", "The model says the same of every row: see whether its features arrive."),
    ("predictions", "Check what the model's predict returns, row by row."),
    ("missing_predictions", "Check what the model's predict returns where features are missing."),
    ("impossible_predictions", "Check that predict returns what the model type allows."),
    ("availability", "The input is known only once the label is, or its source has stopped: "
     "correct the time of its rows in problem/, or leave it out."),
    ("signature", "Log the model by the train task, which infers a signature."),
    ("description", "Describe the model in problem/, then train again."),
    ("tag", "Train by the job model_training, which sets the tag."),
    ("slices[", "Name columns in the policy that have values with enough rows."),
    ("max_auc", "Look for a feature that is known only after the decision."),
    ("min_r2", "See how the residuals lie and which features changed; then train again."),
)  # fmt: skip
OTHERWISE = (
    "See the plots below for where it fails; change features or hyperparameters and retrain."
)


@dataclass(frozen=True, kw_only=True)
class Incumbent:
    """What the version was compared with on the same rows.

    Attributes:
        name: Who that is, as `Champion, version 3`.
        comparison: How both did; None where they could not be compared.
        why: Why not.
        asked: What the lower bound of the gain must exceed.
    """

    name: str
    comparison: Comparison | None
    why: str = ""
    asked: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """All that the page shows.

    Attributes:
        model: Full name of the registered model.
        version: Its version.
        as_of: The instant before which it was trained.
        judged_at: When it was judged.
        holdout: The held-out window, in words.
        verdict: The verdict with every check.
        policy: What it was held to.
        model_type: The model type.
        labels: What happened on the held-out rows.
        predictions: What it predicted.
        slices: Column to its values for the same rows.
        incumbent: What it was compared with.
        freshness: What fresher features would bring; None where that was not measured.
        results: Full name of the table that has the checks.
    """

    model: str
    version: int
    as_of: datetime
    judged_at: datetime
    holdout: str
    verdict: Verdict
    policy: Policy
    model_type: ModelType
    labels: ArrayLike
    predictions: ArrayLike
    slices: Mapping[str, ArrayLike]
    incumbent: Incumbent
    freshness: Freshness | None
    results: str


def write_report(report: Report) -> str:
    """Return the page as HTML that needs nothing from elsewhere."""
    short = report.model.rpartition(".")[2]
    title = f"Validation of {report.model}, version {report.version}"
    parts = [
        f"<h1>Validation of {escape(short)}, version {report.version}</h1>",
        f'<p class="muted">{escape(report.model)}, trained as of '
        f"{report.as_of:%Y-%m-%d %H:%M} UTC; judged "
        f"{report.judged_at:%Y-%m-%d %H:%M} UTC on rows decided {escape(report.holdout)}.</p>",
        write_verdict(report),
        write_section("What to do next", *write_advice(report)),
        write_section("Checks", write_checks(report.verdict.checks)),
        write_section(f"Compared with {report.incumbent.name}", *write_incumbent(report.incumbent)),
    ]
    if report.freshness is not None:
        heading = "What fresher features would bring"
        parts.append(write_section(heading, *write_freshness(report.freshness)))
    try:
        labels, predictions = report.model_type.read(report.labels, report.predictions)
    except UnusableInputError as error:
        parts.append(write_section("Held-out rows", write_paragraph(f"No plots: {error}")))
    else:
        parts.append(
            write_section("Held-out rows", *draw_outcomes(report.model_type, labels, predictions))
        )
        parts.append(write_section("Slices", *write_slices(report, labels, predictions)))
    return write_page(title, parts)


def write_verdict(report: Report) -> str:
    """Return the box that says whether it passed, why, and what becomes of it."""
    failed = " failed" if isinstance(report.verdict, Failed) else ""
    return (
        f'<div class="verdict{failed}"><strong>{report.verdict.status}</strong>'
        f"<p>{escape(report.verdict.reason)}</p><p>{escape(simulate_decision(report))}</p></div>"
    )


def simulate_decision(report: Report) -> str:
    """Return what becomes of the version where nothing moves until deploy decides."""
    if isinstance(report.verdict, Failed):
        return "The job stopped here; Champion and endpoint are as they were."
    incumbent = report.incumbent
    if incumbent.comparison is None:
        return "It is Challenger, and was not compared, for the reason below; deploy decides."
    if incumbent.comparison.low > incumbent.asked:
        return f"It is Challenger and surely better than {incumbent.name}: deploy is to promote it."
    return (
        f"It is Challenger, but not surely better than {incumbent.name}: "
        "deploy is not to promote it."
    )


def write_advice(report: Report) -> list[str]:
    """Return what a person does next, by what failed."""
    if isinstance(report.verdict, Failed):
        steps = [
            f"<code>{escape(check.name)}</code>: {escape(advise(check))}"
            for check in report.verdict.checks
            if not check.ok
        ]
    else:
        steps = [escape(advise_challenger(report.incumbent))]
    query = (
        f"SELECT check_name, ok, value, threshold, detail FROM {report.results}\n"
        f"WHERE model_name = '{report.model}' AND model_version = {report.version}"
    )
    return [
        f"<ul>{''.join(f'<li>{step}</li>' for step in steps)}</ul>",
        write_paragraph("The same checks by SQL, of this and every other version:"),
        f"<pre>{escape(query)}</pre>",
    ]


def advise_challenger(incumbent: Incumbent) -> str:
    """Return what to do about a version that passed."""
    if incumbent.comparison is None:
        return "Read why it was not compared; then see what the task deploy said."
    if incumbent.comparison.low > incumbent.asked:
        return "Nothing, unless a figure below surprises you; the tag decision says how it ended."
    return (
        "Nothing has to be done, what is in use stays. To surpass it, give more rows to learn "
        "from, other features, or a longer holdout window that makes the gain surer."
    )


def advise(check: Check) -> str:
    """Return what to look at where a check does not hold."""
    return next((text for start, text in ADVICE if check.name.startswith(start)), OTHERWISE)


def write_checks(checks: Sequence[Check]) -> str:
    """Return every check with its figure, its threshold and how they lie; what failed first."""
    rows = "".join(_write_check(check) for check in sorted(checks, key=lambda check: check.ok))
    return (
        '<div class="wide"><table class="checks"><thead><tr><th></th><th>Check</th>'
        '<th class="figure">Found</th><th class="figure">Asked</th><th></th><th>In words</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _write_check(check: Check) -> str:
    value, threshold = (
        "" if figure is None else show_figure(figure) for figure in (check.value, check.threshold)
    )
    meter = (
        draw_meter(check.name, check.value, check.threshold, ok=check.ok)
        if check.value is not None and check.threshold is not None
        else ""
    )
    mark = '<td class="ok">ok</td>' if check.ok else '<td class="failed-check">FAILED</td>'
    return (
        f'<tr>{mark}<td class="name"><code>{escape(check.name)}</code></td>'
        f'<td class="figure">{value}</td><td class="figure">{threshold}</td>'
        f'<td class="plot">{meter}</td><td class="detail">{escape(check.detail)}</td></tr>'
    )


def write_incumbent(incumbent: Incumbent) -> list[str]:
    """Return the gain over the incumbent, with how sure it is."""
    found = incumbent.comparison
    if found is None:
        return [write_paragraph(f"Not compared: {incumbent.why}")]
    words = (
        f"Mean {found.loss} {show(found.challenger_loss, found.unit)} against "
        f"{show(found.incumbent_loss, found.unit)}: a gain of {show(found.gain, found.unit)}, "
        f"between {show(found.low)} and {show(found.high)} with {found.confidence:.0%} confidence, "
        f"on {found.rows:,} rows in {found.blocks:,} blocks. The lower bound must exceed "
        f"{incumbent.asked:g}."
    )
    title = f"Gain in {found.loss}, to the right is better"
    plot = draw_interval(title, found.low, found.gain, found.high, incumbent.asked)
    return [write_paragraph(words), write_plots(plot)]


def write_slices(report: Report, labels: FloatArray, predictions: FloatArray) -> list[str]:
    """Return the policy's metric within each slice, plotted and listed."""
    policy = report.policy.validation.slices
    sound = {c: v for c, v in report.slices.items() if np.shape(v) == labels.shape}
    metric = report.model_type.require_metric(policy.metric)
    found = measure_slices(labels, predictions, sound, metric=metric, min_rows=policy.min_rows)
    if not found:
        return [write_paragraph(f"No slice has {policy.min_rows:,} rows or more.")]

    def holds(figure: float | None) -> bool:
        return figure is not None and all(
            figure >= bound if side == "min" else figure <= bound
            for side, bound in policy.sides.items()
        )

    def draw(column: str) -> str:
        bars = [Bar(s.value, s.figure, holds(s.figure)) for s in found if s.column == column]
        bounds = list(policy.sides.values())
        return draw_bars(f"{metric.name} by {column}", bars, bounds=bounds)

    columns = list(dict.fromkeys(each.column for each in found))
    return [write_plots(*map(draw, columns)), write_slice_table(found, metric.name)]


def write_slice_table(found: Sequence[SliceFigure], metric: str) -> str:
    """Return the slices as a table."""
    return write_table(
        ("Slice", "Rows", metric, "Mean label", "Mean prediction"),
        [
            (
                f"{each.column} = {each.value}",
                f"{each.rows:,}",
                "not measured" if each.figure is None else show_figure(each.figure),
                show_figure(each.label),
                show_figure(each.prediction),
            )
            for each in found
        ],
    )
