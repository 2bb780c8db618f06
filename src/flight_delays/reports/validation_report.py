"""The HTML page of a validation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import ArrayLike

from ..config.policy import Policy, Slices
from ..errors import UnusableInputError
from ..evaluation.comparison import Comparison
from ..evaluation.curves import Alarms, SliceFigure, count_alarms, measure_slices
from ..evaluation.model_types import ModelType, format_figure
from ..evaluation.side_by_side import Freshness
from ..evaluation.slices import SliceComparison
from ..promotion.checks import Check
from ..promotion.decide import Decision, Verdict
from ..promotion.rules import Requirement
from . import TableRows, render
from .outcomes import draw_days, draw_outcomes
from .plots import Bar, Plot, draw_bars, draw_gain

# Maximum number of compared slices to show; refused ones are always shown.
SHOWN = 20

# Prefix of a check's name, and what to do if it fails.
REMEDIES = (
    ("environment", "Let the task reach an index of packages (docs/security.md), or allow it in "
     "the policy: untried_environment."),
    ("asked", "Load the raw model by hand, with only its requirements installed."),
    ("answer_form", "Return one double per row from predict, as a 1-D array."),
    ("same_", "Compute each prediction only from its own row, independent of other rows, order "
     "and earlier calls."),
    ("impossible_missing", "Return a valid prediction even if looked-up features are missing."),
    ("impossible_unseen", "Return a valid prediction even for unseen categories."),
    ("rows_unchanged", "Copy the rows in predict before you change them."),
    ("probabilities", "Return predict_proba's second column, not predict."),
    ("seconds_per_row", "Make the model faster, or raise max_seconds_per_row in the policy."),
    ("origin", "Train by the job model_training of this target."),
    ("training_digest", "Run model_training again, with the current code and policy."),
    ("learned_until", "Train and validate with the same policy and as_of."),
    ("look_ups", "Train by the job model_training of this target."),
    ("features_computed", "Run feature_refresh as of the version's as_of, then train again."),
    ("skill", "The model is hardly better than a constant: check that its features arrive."),
    ("better_than_heuristic", "Compare with the heuristic baseline: is an input of it missing?"),
    ("labels", "Look at the source of the label: an outcome is missing or not allowed."),
    ("rows", "Give a later as_of or a longer holdout window in the policy."),
    ("served_difference", "The endpoint would predict differently from batch inference: compare "
     "the types of the model's inputs with its signature."),
    ("prediction_spread", "Predictions are constant: check that the features arrive."),
    ("predictions", "Check what the model's predict returns, row by row."),
    ("missing_predictions", "Check what the model's predict returns where features are missing."),
    ("impossible_predictions", "Check that predict returns what the model type allows."),
    ("availability", "The input is only available after the label, or its source has stopped: "
     "correct the time of its rows in problem/, or remove it."),
    ("signature", "Log the model by the train task, which infers a signature."),
    ("description", "Describe the model in problem/, then train again."),
    ("tag", "Train by the job model_training, which sets the tag."),
    ("slice_gaps", "See the checks gap[...] for the slices."),
    ("gap[", "Look at the features of these rows: their predictions are too high or too low."),
    ("slices[", "Name columns in the policy that have values with enough rows."),
    ("max_auc", "Look for a feature that is known only after the decision."),
    ("min_r2", "Look at the residuals and at which features changed; then train again."),
)  # fmt: skip
# Prefixes of checks of model quality; the others are collapsed if they pass.
FIGURES = ("skill", "better_than_heuristic", "rows", "min_", "max_", "slices", "gap[")
OTHERWISE = (
    "See the plots below for where it fails; change features or hyperparameters and retrain."
)


@dataclass(frozen=True, kw_only=True)
class Incumbent:
    """The model that the version was compared with.

    Attributes:
        name: Its name, such as `the Champion, version 3`.
        asked: The limit of the gain's lower bound.
        decision: The expected decision of deploy, if the version passes.
    """

    name: str
    asked: Requirement
    comparison: Comparison | None = None
    decision: Decision | None = None
    why: str = ""
    slices: Sequence[SliceComparison] = ()
    worse: Sequence[Check] = ()
    predictions: ArrayLike = ()

    @property
    def short(self) -> str:
        """Its name as a column header."""
        return self.name.removeprefix("the ").capitalize()


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """The content of the page.

    Attributes:
        slices: Values of each slice column for the same rows.
        days: The local day of each row.
        incumbent: The model that it was compared with.
        freshness: The effect of fresher features; None if it was not measured.
        results: Full name of the table of checks.
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
    days: ArrayLike
    incumbent: Incumbent
    freshness: Freshness | None
    results: str


def write_report(report: Report) -> str:
    """Return the page as self-contained HTML."""
    validation = report.policy.validation
    policy, costs = validation.slices, validation.costs
    outcomes, flaw, slices = None, "", None
    heads: Sequence[str] = ()
    metrics: TableRows = ()
    alarms: list[tuple[str, Alarms]] = []
    try:
        labels, predictions = report.model_type.read(report.labels, report.predictions)
    except UnusableInputError as error:
        flaw = str(error)
    else:
        outcomes = draw_outcomes(
            report.model_type, labels, predictions, costs.threshold if costs else None
        )
        made = {"This version": predictions}
        if report.incumbent.comparison:
            made[report.incumbent.short] = np.asarray(report.incumbent.predictions, np.float64)
        by_day = draw_days(report.days, labels, made)
        outcomes = replace(outcomes, plots=[by_day, *outcomes.plots])
        measured = [report.model_type.measure(labels, each) for each in made.values()]
        heads = ("Metric", *made)
        metrics = [
            (name, *(format_figure(each[name], metric.unit) for each in measured))
            for name, metric in report.model_type.metrics.items()
        ]
        if outcomes.alarms:
            threshold = outcomes.alarms.threshold
            alarms = [(who, count_alarms(labels, each, threshold)) for who, each in made.items()]
        slices = policy and measure_slices(
            labels,
            predictions,
            {c: v for c, v in report.slices.items() if np.shape(v) == labels.shape},
            metric=report.model_type.require_metric(policy.metric),
            min_rows=policy.min_rows,
        )
    compared = report.incumbent.comparison
    # Untried checks pass, but are shown.
    shown = [
        each
        for each in report.verdict.checks
        if not each.ok or is_figure(each) or each.detail.startswith("not tried")
    ]
    return render(
        "validation.html.j2",
        report=report,
        remedy=find_remedy,
        checks=sorted(shown, key=lambda check: check.ok),
        folded=[check for check in report.verdict.checks if check not in shown],
        interval=compared and draw_gain(compared, report.incumbent.asked.bound),
        outcomes=outcomes,
        metrics=(heads, metrics),
        alarms=alarms,
        flaw=flaw,
        slices=slices,
        slice_plots=draw_slices(slices, policy) if slices and policy else [],
        compared=list_compared(report.incumbent),
    )


def list_compared(incumbent: Incumbent) -> TableRows:
    """Return a row for each compared slice: refused ones first, then the worst."""

    def refused(each: SliceComparison) -> str:
        place = f"[{each.column}={each.value}]"
        named = (check.name for check in incumbent.worse)
        return ", ".join(name.removesuffix(place) for name in named if name.endswith(place))

    ordered = sorted(incumbent.slices, key=lambda each: (not refused(each), -each.difference))
    return [
        (
            f"{each.column} = {each.value}",
            f"{each.rows:,}",
            format_figure(each.difference),
            f"{format_figure(each.low)} to {format_figure(each.high)}",
            format_figure(each.gap),
            format_figure(each.incumbent_gap),
            f"refused: {refused(each)}" if refused(each) else "",
        )
        for each in ordered[: max(SHOWN, sum(map(bool, map(refused, ordered))))]
    ]


def is_figure(check: Check) -> bool:
    """Return whether a check is about model quality."""
    return check.name.startswith(FIGURES) and not check.name.startswith("rows_")


def find_remedy(check: Check) -> str:
    """Return what to do if a check fails."""
    return next((text for start, text in REMEDIES if check.name.startswith(start)), OTHERWISE)


def draw_slices(found: Sequence[SliceFigure], policy: Slices) -> list[Plot]:
    """Return a plot of the metric with its bounds for each slice column."""

    def holds(figure: float | None) -> bool:
        return figure is not None and all(
            figure >= bound if side == "min" else figure <= bound
            for side, bound in policy.sides.items()
        )

    return [
        draw_bars(
            f"{policy.metric} by {column}",
            [Bar(s.value, s.figure, holds(s.figure)) for s in found if s.column == column],
            bounds=list(policy.sides.values()),
        )
        for column in dict.fromkeys(each.column for each in found)
    ]
