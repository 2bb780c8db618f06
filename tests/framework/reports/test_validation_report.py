"""The page of a validation, read as a browser reads it."""

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import numpy as np
import pytest

from flight_delays.config.policy import load_policy
from flight_delays.evaluation.bootstrap import compare
from flight_delays.evaluation.freshness import Freshness
from flight_delays.evaluation.model_types import BINARY_CLASSIFICATION, ModelType, regression
from flight_delays.problem import PROBLEM
from flight_delays.promotion.checks import Check
from flight_delays.promotion.decisions import Failed, Passed, Verdict
from flight_delays.reports import Incumbent, Report, write_report

INSTANT = datetime(2026, 2, 1, tzinfo=UTC)
CHECKS = (
    Check(name="rows", ok=True, value=500, threshold=100, detail="500, at least 100 is asked"),
    Check(name="min_auc", ok=False, value=0.6, threshold=0.7, detail="0.6 <b>is</b> not enough"),
    Check(name="signature_inputs", ok=True, detail="present"),
)
PASSED = Passed("all 2 checks hold", (CHECKS[0], CHECKS[2]))
FRESHNESS = Freshness(
    loss="squared_error",
    unit="points²",
    greatest_age=timedelta(minutes=75),
    judged={"squared_error": 0.25, "r2": None},
    fresh={"squared_error": 0.125, "r2": None},
)
FAILED = Failed("1 of 3 checks failed: min_auc <script>alert(1)</script>", CHECKS)


@dataclass
class Page(HTMLParser):
    """What stands on a page.

    Attributes:
        tags: Every tag, in order.
        headings: Texts of the headings.
        rows: Texts of the cells of each row of a table.
        plots: What the plots are labelled with.
        words: All text.
    """

    tags: list[str] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    plots: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag == "svg":
            self.plots.append(dict(attrs).get("aria-label") or "")

    def handle_data(self, data: str) -> None:
        if not data.strip():
            return
        self.words.append(data)
        if self.tags[-1] in {"h1", "h2"}:
            self.headings.append(data)
        if {"td", "th", "code"} & {self.tags[-1]} and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def make_report(verdict: Verdict, model_type: ModelType = BINARY_CLASSIFICATION) -> Report:
    generator = np.random.default_rng(7)
    predictions = generator.uniform(size=500)
    labels = (generator.uniform(size=500) < predictions).astype(float)
    policy = load_policy("policy_small", PROBLEM.model_type)
    slices = policy.validation.slices.model_copy(
        update={"min_rows": 100, "metric": next(iter(model_type.metrics)), "columns": ["half"]}
    )
    validation = policy.validation.model_copy(update={"slices": slices})
    comparison = compare(
        labels, predictions, np.full(500, 0.5), model_type=model_type, loss="squared_error",
        resamples=100, confidence=0.95, seed=1,
    )  # fmt: skip
    return Report(
        model="dev.zoo.model",
        version=4,
        as_of=INSTANT,
        judged_at=INSTANT,
        holdout="before 2026-02-01 00:00 UTC",
        verdict=verdict,
        policy=policy.model_copy(update={"validation": validation}),
        model_type=model_type,
        labels=labels,
        predictions=predictions,
        slices={"half": np.where(np.arange(500) < 250, "<first>", "second")},
        incumbent=Incumbent(name="the Champion, version 3", comparison=comparison, asked=0.0),
        freshness=FRESHNESS,
        results="dev.zoo.validation_results",
    )


def read(report: Report) -> Page:
    page = Page()
    page.feed(write_report(report))
    return page


@pytest.mark.parametrize(
    ("verdict", "next_step"),
    [(PASSED, "It is Challenger and surely better"), (FAILED, "The job stopped here")],
)
def test_verdict_stands_above_all_sections_with_what_to_do_next(
    verdict: Verdict, next_step: str
) -> None:
    page = read(make_report(verdict))
    at = page.words.index(verdict.status)
    assert at < page.words.index("What to do next") < page.words.index("Checks")
    assert page.words[at + 1] == verdict.reason
    assert page.words[at + 2].startswith(next_step)


@pytest.mark.parametrize(
    ("asked", "foreseen"),
    [(0.0, "deploy is to promote"), (0.5, "deploy is not to promote")],
)
def test_what_deploy_is_to_decide_is_foreseen(asked: float, foreseen: str) -> None:
    report = make_report(PASSED)
    page = read(replace(report, incumbent=replace(report.incumbent, asked=asked)))
    assert any(foreseen in word for word in page.words)


def test_every_check_has_its_row_with_figure_and_threshold_the_failed_first() -> None:
    rows = [row for row in read(make_report(FAILED)).rows if row[0] in {"ok", "FAILED"}]
    assert rows == [
        ["FAILED", "min_auc", "0.6", "0.7", "", "0.6 <b>is</b> not enough"],
        ["ok", "rows", "500", "100", "", "500, at least 100 is asked"],
        ["ok", "signature_inputs", "", "", "", "present"],
    ]


def test_text_is_escaped_and_nothing_is_fetched_or_run() -> None:
    written = write_report(make_report(FAILED))
    assert "<script" not in written
    assert "&lt;script&gt;" in written
    assert "&lt;first&gt;" in written
    assert "<first" not in written
    assert not re.search(r"(src|href)=|url\(|@import", written)


@pytest.mark.parametrize(
    ("model_type", "plots"),
    [
        (
            BINARY_CLASSIFICATION,
            ["Calibration", "Alarm at a threshold", "How predictions spread", "auc by half"],
        ),
        (
            regression("points"),
            ["Predicted and actual", "Residuals by prediction", "How residuals", "mae by half"],
        ),
    ],
)
def test_plots_suit_the_model_type_of_outcome(model_type: ModelType, plots: list[str]) -> None:
    drawn = read(make_report(PASSED, model_type)).plots
    for plot in [*plots, "Gain in squared_error"]:
        assert sum(title.startswith(plot) for title in drawn) == 1, plot


def test_confusion_counts_every_row() -> None:
    rows = [row for row in read(make_report(PASSED)).rows if row[0] in {"Alarm", "No alarm"}]
    assert sum(int(cell) for row in rows for cell in row[1:]) == 500


def test_page_says_what_fresher_features_would_bring() -> None:
    report = make_report(PASSED)
    page = read(report)
    assert "What fresher features would bring" in page.headings
    words = " ".join(page.words)
    assert "computed up to 1.25 hours before the decision" in words
    assert "squared_error 0.125 points² instead of 0.25 points²" in words
    assert "refreshing more often would bring at most 0.125 points²." in words
    assert ["squared_error", "0.25", "0.125"] in page.rows
    assert ["r2", "not measured", "not measured"] in page.rows
    worse = replace(FRESHNESS, fresh={"squared_error": 0.5, "r2": None})
    words = " ".join(read(replace(report, freshness=worse)).words)
    assert "refreshing more often would bring nothing." in words
    unmeasured = read(replace(report, freshness=None))
    assert "What fresher features would bring" not in unmeasured.headings


def test_what_cannot_be_plotted_or_compared_is_said() -> None:
    report = make_report(FAILED)
    broken = replace(
        report,
        predictions=np.full(500, np.nan),
        incumbent=Incumbent(name="the Champion", comparison=None, why="too few rows", asked=0.0),
    )
    words = " ".join(read(broken).words)
    assert "Not compared: too few rows" in words
    assert "No plots: " in words
