"""The page of a validation: the verdict, its checks, and plots of the held-out rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import ArrayLike

from ..config.policy import Policy, Slices
from ..evaluation.bootstrap import Comparison
from ..evaluation.curves import SliceFigure, measure_slices
from ..evaluation.errors import UnusableInputError
from ..evaluation.figures import format_figure
from ..evaluation.freshness import Freshness
from ..evaluation.model_types import ModelType
from ..evaluation.observations import FloatArray
from ..promotion.checks import Check
from ..promotion.decisions import Failed, Verdict
from .outcomes import draw_outcomes
from .plots import Bar, Plot, draw_bars, draw_interval
from .templating import Rows, render

# The start of a check's name; what to look at where it does not hold.
REMEDIES = (
    ("labels", "Look at the source of the label: an outcome is missing or not allowed."),
    ("rows", "Give a later as_of or a longer holdout window in the policy."),
    ("served_difference", "The endpoint would answer otherwise than batch inference: compare the "
     "types of the model's inputs with its signature."),
    ("prediction_spread", "Predictions are constant: check that the features arrive."),
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
    ("min_r2", "Look at the residuals and at which features changed; then train again."),
)  # fmt: skip
OTHERWISE = (
    "See the plots below for where it fails; change features or hyperparameters and retrain."
)


@dataclass(frozen=True, kw_only=True)
class Incumbent:
    """What the version was compared with on the same rows.

    Attributes:
        name: Who that is, as `the Champion, version 3`.
        comparison: The comparison; None where they could not be compared.
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
        judged_at: When it was validated.
        holdout: The held-out window, in words.
        verdict: The verdict with every check.
        policy: The policy of the checks.
        model_type: The model type.
        labels: The labels of the held-out rows.
        predictions: Its predictions of them.
        slices: Column to its values for the same rows.
        incumbent: What it was compared with.
        freshness: The effect of fresher features; None where that was not measured.
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
    """Return the page as HTML that loads nothing from elsewhere."""
    outcomes, flaw, found = None, "", []
    try:
        labels, predictions = report.model_type.read(report.labels, report.predictions)
    except UnusableInputError as error:
        flaw = str(error)
    else:
        outcomes = draw_outcomes(report.model_type, labels, predictions)
        found = measure_report_slices(report, labels, predictions)
    return render(
        "validation.html.j2",
        report=report,
        passed=not isinstance(report.verdict, Failed),
        outlook=describe_outlook(report),
        steps=list_steps(report),
        interval=draw_gain(report.incumbent.comparison, report.incumbent.asked),
        freshness=list_freshness(report.freshness),
        outcomes=outcomes,
        flaw=flaw,
        slices=tabulate_slices(found),
        slice_plots=draw_slices(found, report.policy.validation.slices),
    )


def describe_outlook(report: Report) -> str:
    """Return what the job does with the version, as far as it is known before deploy."""
    if isinstance(report.verdict, Failed):
        return "The job stopped here. Champion and endpoint are unchanged."
    name, found, asked = report.incumbent.name, report.incumbent.comparison, report.incumbent.asked
    if found is None:
        return "Challenger; not compared, for the reason below. The deploy task decides."
    bound = f"{100 * found.confidence:g} % interval"
    if found.low > asked:
        return (
            f"Challenger; better than {name} ({bound} above {asked:g}). Expected decision: promote."
        )
    return (
        f"Challenger; not significantly better than {name} ({bound} not above {asked:g}). "
        "Expected decision: do not promote."
    )


def list_steps(report: Report) -> list[tuple[str, str]]:
    """Return what to do next: the name of a failed check, or "", and the step."""
    if isinstance(report.verdict, Failed):
        return [(check.name, find_remedy(check)) for check in report.verdict.checks if not check.ok]
    found = report.incumbent.comparison
    if found is None:
        return [("", "Read why it was not compared; then see the log of the task deploy.")]
    if found.low > report.incumbent.asked:
        return [("", "Nothing. See the version's tag decision for the decision of deploy.")]
    return [
        (
            "",
            "Nothing has to be done; the model in use stays. For a better one, add training rows "
            "or features; a longer holdout window narrows the interval.",
        )
    ]


def find_remedy(check: Check) -> str:
    """Return what to look at where a check does not hold."""
    return next((text for start, text in REMEDIES if check.name.startswith(start)), OTHERWISE)


def draw_gain(comparison: Comparison | None, threshold: float) -> Plot | None:
    """Draw the gain in a loss with its interval."""
    if comparison is None:
        return None
    title = f"Gain in {comparison.loss}: to the right is better"
    return draw_interval(title, comparison.low, comparison.gain, comparison.high, threshold)


def list_freshness(found: Freshness | None) -> Rows:
    """Return the figures with features as served and with fresh ones."""
    if found is None:
        return []
    return [
        (name, format_figure(figure), format_figure(found.fresh[name]))
        for name, figure in found.judged.items()
    ]


def measure_report_slices(
    report: Report, labels: FloatArray, predictions: FloatArray
) -> list[SliceFigure]:
    """Return the policy's metric within each slice that has one value a row."""
    policy = report.policy.validation.slices
    return measure_slices(
        labels,
        predictions,
        {c: v for c, v in report.slices.items() if np.shape(v) == labels.shape},
        metric=report.model_type.require_metric(policy.metric),
        min_rows=policy.min_rows,
    )


def draw_slices(found: list[SliceFigure], policy: Slices) -> list[Plot]:
    """Draw the metric by each column, with its bounds."""

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


def tabulate_slices(found: list[SliceFigure]) -> Rows:
    """Return a row for each slice: its name, rows, metric, mean label and mean prediction."""
    return [
        (f"{s.column} = {s.value}", *map(format_figure, (s.rows, s.figure, s.label, s.prediction)))
        for s in found
    ]
