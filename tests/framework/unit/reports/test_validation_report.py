"""The validation report as parsed by a browser."""

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import numpy as np
import pytest

from flight_delays.config.policy import Costs, load_policy
from flight_delays.evaluation.comparison import compare
from flight_delays.evaluation.model_types import BINARY_CLASSIFICATION, ModelType, regression
from flight_delays.evaluation.side_by_side import Freshness
from flight_delays.evaluation.slices import SliceComparison
from flight_delays.problem import PROBLEM
from flight_delays.promotion.checks import Check
from flight_delays.promotion.decide import (
    Decision,
    Failed,
    Keep,
    NeedsApproval,
    Passed,
    Promote,
    Reject,
    Verdict,
)
from flight_delays.promotion.rules import Requirement
from flight_delays.promotion.slices import refuse_slices
from flight_delays.reports.validation_report import Incumbent, Report, find_remedy, write_report

INSTANT = datetime(2026, 2, 1, tzinfo=UTC)
CHECKS = (
    Check(name="rows", ok=True, value=500, threshold=100, detail="500, expected at least 100"),
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
    """Parsed content of a page.

    Attributes:
        tags: Every tag, in order.
        headings: Text of the headings.
        rows: Text of the cells of each table row.
        plots: Labels of the plots.
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


def assert_self_contained(html: str) -> None:
    """Assert that a page has no scripts and loads no external resources."""
    assert not re.search(r"<script|https?:|src=|(href=\"|url\()(?!#|\w+\.html\")|@import", html)


def make_report(verdict: Verdict, model_type: ModelType = BINARY_CLASSIFICATION) -> Report:
    generator = np.random.default_rng(7)
    predictions = generator.uniform(size=500)
    labels = (generator.uniform(size=500) < predictions).astype(float)
    policy = load_policy("policy_small", PROBLEM.model_type)
    assert policy.validation.slices is not None
    slices = policy.validation.slices.model_copy(
        update={"min_rows": 100, "metric": next(iter(model_type.metrics)), "columns": ["half"]}
    )
    validation = policy.validation.model_copy(update={"slices": slices})
    comparison = compare(
        labels, predictions, np.full(500, 0.5), model_type=model_type, loss="squared_error",
        blocks=np.arange(500) // 20, min_blocks=14, confidence=0.95,
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
        days=np.datetime64("2026-01-01") + np.arange(500) // 20,
        slices={"half": np.where(np.arange(500) < 250, "<first>", "second")},
        incumbent=Incumbent(
            name="the Champion, version 3",
            asked=Requirement("superiority", 0.0),
            comparison=comparison,
            decision=Promote("it is better"),
            predictions=np.full(500, 0.5),
        ),
        freshness=FRESHNESS,
        results="dev.zoo.validation_results",
    )


def read(report: Report) -> Page:
    page = Page()
    page.feed(write_report(report))
    return page


@pytest.mark.parametrize(
    ("verdict", "decision", "outlook"),
    [
        (PASSED, Promote("It is better."), "Challenger. Expected decision: promote. It is better."),
        (PASSED, Keep("It is not."), "Challenger. Expected decision: keep. It is not."),
        (
            PASSED,
            NeedsApproval("It is too good."),
            "Challenger. Expected decision: needs approval. It is too good.",
        ),
        (FAILED, Promote("r"), "The job stopped here. Champion and endpoint are unchanged."),
    ],
)
def test_verdict_reason_and_expected_decision_come_first(
    verdict: Verdict, decision: Decision, outlook: str
) -> None:
    report = make_report(verdict)
    page = read(replace(report, incumbent=replace(report.incumbent, decision=decision)))
    promoted = verdict.status == "FAILED" or decision.label == "promote"
    status = verdict.status if promoted else f"{verdict.status}, not promoted"
    at = page.words.index(status)
    words = [word.strip() for word in page.words[at : at + 3]]
    assert words == [status, verdict.reason, outlook]
    assert page.words[page.words.index("What to do next") - 1].startswith("Without a model")


def test_headline_counts_alarms_of_both_and_their_costs() -> None:
    report = make_report(PASSED)
    costs = Costs(false_alarm=1, missed=3)
    validation = report.policy.validation.model_copy(update={"costs": costs})
    policy = report.policy.model_copy(update={"validation": validation})
    labels = np.repeat([1.0, 0.0], 250)
    predictions = np.concatenate([np.full(200, 0.8), np.full(250, 0.2), np.full(50, 0.25)])
    words = " ".join(
        read(replace(report, policy=policy, labels=labels, predictions=predictions)).words
    )
    # 200 hits, 50 misses at a cost of 3, 50 false alarms: 200 in 500 rows.
    assert (
        "This version, with an alarm from 0.25 on: 80 of 100 alarms are right, 80 of 100 rows "
        "with label 1 get one; errors cost 0.4 a row." in words
    )
    assert (
        "Champion, version 3, with an alarm from 0.25 on: 50 of 100 alarms are right, 100 of 100 "
        "rows with label 1 get one; errors cost 0.5 a row." in words
    )
    assert "no alarms cost 1.5 a row, alarms for all rows 0.5." in words


def test_metrics_of_the_champion_stand_beside_those_of_the_version() -> None:
    page = read(make_report(PASSED))
    assert ["Metric", "This version", "Champion, version 3"] in page.rows
    (auc,) = [row for row in page.rows if row and row[0] == "auc" and len(row) == 3]
    assert float(auc[1]) > 0.7
    assert auc[2] == "0.5"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (Requirement("superiority", 0.5), "on 25 of them. The lower bound must exceed 0.5."),
        (
            Requirement("non-inferiority", -0.002),
            "It is the Champion retrained on later rows and need not be better: the lower bound "
            "must exceed -0.002.",
        ),
    ],
)
def test_page_says_on_how_many_days_it_is_better_and_what_is_asked(
    asked: Requirement, says: str
) -> None:
    report = make_report(PASSED)
    assert report.incumbent.comparison is not None
    found = replace(report.incumbent.comparison, wins=25)
    incumbent = replace(report.incumbent, comparison=found, asked=asked)
    words = " ".join(read(replace(report, incumbent=incumbent)).words)
    assert says in words
    assert "on 500 rows of 25 days." in words


@pytest.mark.parametrize(
    ("decision", "advice"),
    [
        (Promote("r"), "Nothing. See the version's tag decision"),
        (Keep("r"), "Nothing has to be done; the model in use stays."),
        (Reject("r"), "The deploy task fails: correct what the decision names"),
        (NeedsApproval("r"), "Look for an input that is known too late"),
    ],
)
def test_next_step_of_a_passed_version_follows_from_the_decision(
    decision: Decision, advice: str
) -> None:
    report = make_report(PASSED)
    page = read(replace(report, incumbent=replace(report.incumbent, decision=decision)))
    assert advice in " ".join(page.words)


def test_next_step_of_a_failed_check_is_its_remedy() -> None:
    words = " ".join(read(make_report(FAILED)).words)
    assert "min_auc : See the plots below for where it fails" in words
    assert find_remedy(Check(name="max_auc[origin=JFK]", ok=False, detail="")).startswith(
        "Look for a feature that is known only after"
    )


def test_each_check_has_a_row_with_value_and_threshold_failed_ones_first() -> None:
    rows = [row for row in read(make_report(FAILED)).rows if row[0] in {"ok", "FAILED"}]
    assert rows == [
        ["FAILED", "min_auc", "0.6", "0.7", "", "0.6 <b>is</b> not enough"],
        ["ok", "rows", "500", "100", "", "500, expected at least 100"],
        ["ok", "signature_inputs", "", "", "", "present"],
    ]


def test_text_is_escaped_and_nothing_is_loaded_or_run() -> None:
    written = write_report(make_report(FAILED))
    assert "<script" not in written
    assert "&lt;script&gt;" in written
    assert "&lt;first&gt;" in written
    assert "<first" not in written
    assert_self_contained(written)


@pytest.mark.parametrize(
    ("model_type", "plots"),
    [
        (
            BINARY_CLASSIFICATION,
            [
                "Calibration",
                "Alarm at a threshold",
                "Distribution of p",
                "auc by half",
                "Precision by recall",
                "ROC",
                "Lift",
                "Mean by day",
            ],
        ),
        (
            regression("points"),
            [
                "Predicted and actual",
                "Residuals by prediction",
                "Distribution of r",
                "mae by half",
                "Mean by day",
            ],
        ),
    ],
)
def test_plots_suit_the_model_type(model_type: ModelType, plots: list[str]) -> None:
    drawn = read(make_report(PASSED, model_type)).plots
    for plot in [*plots, "Gain in squared_error"]:
        assert sum(title.startswith(plot) for title in drawn) == 1, plot


def test_confusion_counts_every_row() -> None:
    rows = [row for row in read(make_report(PASSED)).rows if row[0] in {"Alarm", "No alarm"}]
    assert sum(int(cell) for row in rows for cell in row[1:]) == 500


def test_page_has_effect_of_fresher_features() -> None:
    report = make_report(PASSED)
    page = read(report)
    assert "Effect of fresher features" in page.headings
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
    assert "Effect of fresher features" not in unmeasured.headings


COMPARED = SliceComparison(
    column="half", value="<first>", rows=250, days=9, loss="log_loss", unit="nats",
    difference=0.02, low=-0.01, high=0.05, p_value=0.2, gap=0.03, incumbent_gap=-0.01,
)  # fmt: skip


def test_page_has_slices_against_the_champion_the_refused_ones_marked_and_first() -> None:
    report = make_report(PASSED)
    worse = replace(COMPARED, value="second", difference=0.01, p_value=0.0, gap=0.2)
    checks = [
        Check(name=f"{what}[half=second]", ok=False, detail="too much") for what in ("worse", "gap")
    ]
    compared = replace(
        report.incumbent,
        slices=(COMPARED, worse),
        worse=checks,
        decision=refuse_slices(4, checks),
    )
    page = read(replace(report, incumbent=compared))
    assert "Slices against the Champion, version 3" in page.headings
    rows = [row for row in page.rows if row and row[0].startswith("half = ") and len(row) == 7]
    assert rows == [
        ["half = second", "250", "0.01", "-0.01 to 0.05", "0.2", "-0.01", "refused: worse, gap"],
        ["half = <first>", "250", "0.02", "-0.01 to 0.05", "0.03", "-0.01", ""],
    ]
    assert "Expected decision: reject." in " ".join(page.words)


def test_page_of_a_policy_without_slices_shows_none() -> None:
    report = make_report(PASSED)
    validation = report.policy.validation.model_copy(update={"slices": None})
    policy = report.policy.model_copy(update={"validation": validation})
    page = read(replace(report, policy=policy, slices={}))
    assert not [heading for heading in page.headings if "Slices" in heading]


def test_page_says_why_rows_are_not_plotted_or_compared() -> None:
    report = make_report(FAILED)
    broken = replace(
        report,
        predictions=np.full(500, np.nan),
        incumbent=Incumbent(
            name="the Champion", asked=Requirement("superiority", 0.0), why="too few rows"
        ),
    )
    words = " ".join(read(broken).words)
    assert "Not compared: too few rows" in words
    assert "No plots: " in words


def test_what_was_not_tried_is_not_folded() -> None:
    untried = Check(name="availability", ok=True, value=0, threshold=0, detail="not tried, for")
    verdict = Passed("all 3 checks hold", (CHECKS[0], CHECKS[2], untried))
    above, _, folded = write_report(make_report(verdict)).partition("<details")
    assert ("not tried, for" in above, "not tried, for" in folded) == (True, False)
    assert "1 more hold" in folded
