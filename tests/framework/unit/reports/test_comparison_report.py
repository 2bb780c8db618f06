"""Two models side by side, in a terminal and a browser."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from flight_delays.evaluation.comparison import compare
from flight_delays.evaluation.model_types import BINARY_CLASSIFICATION, ModelType, regression
from flight_delays.evaluation.side_by_side import compare_metrics, compare_slices
from flight_delays.promotion.decide import Decision, Keep, NeedsApproval, Promote, Reject
from flight_delays.promotion.model_version import ModelVersion
from flight_delays.promotion.rules import Requirement
from flight_delays.reports.comparison_report import (
    ComparisonReport,
    write_comparison,
    write_comparison_page,
)

from tests.framework.unit.reports.test_validation_report import Page, assert_self_contained

INSTANT = datetime(2026, 2, 1, tzinfo=UTC)
KEPT = Keep("Champion version 3 stays: <b>figures</b>")


def make_version(model: str, version: int, **tags: str) -> ModelVersion:
    return ModelVersion(model=model, version=version, aliases=frozenset(), tags=tags)


def make_report(
    decision: Decision = KEPT, model_type: ModelType = BINARY_CLASSIFICATION, min_rows: int = 100
) -> ComparisonReport:
    generator = np.random.default_rng(7)
    predictions = generator.uniform(size=500)
    labels = (generator.uniform(size=500) < predictions).astype(float)
    incumbent = np.clip(predictions + 0.2, 0, 1)
    name = next(iter(model_type.metrics))
    return ComparisonReport(
        challenger=make_version("dev.zoo.dev_ann_model", 4, as_of=INSTANT.isoformat()),
        champion=make_version("prod.zoo.model", 3),
        compared_at=INSTANT,
        rows="500 rows of prod.zoo decided before 2026-02-01 00:00 UTC",
        number=6,
        decision=decision,
        asked=Requirement("non-inferiority", -0.002),
        comparisons=[
            compare(
                labels, predictions, incumbent, model_type=model_type, loss=loss,
                blocks=np.arange(500) // 20, min_blocks=14, confidence=0.95,
            )
            for loss in model_type.losses
        ],
        metrics=compare_metrics(model_type, labels, predictions, incumbent),
        slices=compare_slices(
            labels, predictions, incumbent,
            {"half": np.where(np.arange(500) < 250, "<first>", "second")},
            metric=model_type.metrics[name], min_rows=min_rows,
        ),
        labels=labels,
        predictions=predictions,
        incumbent=incumbent,
    )  # fmt: skip


def read(report: ComparisonReport) -> Page:
    page = Page()
    page.feed(write_comparison_page(report))
    return page


DECISIONS = pytest.mark.parametrize(
    ("decision", "would", "follows"),
    [
        (Promote("It is better."), "would promote it.", "Open a pull request"),
        (KEPT, "would keep the Champion.", "train and compare again"),
        (NeedsApproval("It is too good."), "would require approval.", "known too late"),
        (Reject("It did not pass."), "would reject it.", "Correct what the reason names"),
    ],
)


@DECISIONS
def test_text_ends_with_expected_decision_and_next_step(
    decision: Decision, would: str, follows: str
) -> None:
    *_, decided, advice = write_comparison(make_report(decision)).splitlines()
    assert decided == f"As version 6 of prod.zoo.model the gate {would} {decision.reason}"
    assert follows in advice


@DECISIONS
def test_page_begins_with_expected_decision(decision: Decision, would: str, follows: str) -> None:
    page = read(make_report(decision))
    at = page.words.index(f"As version 6 of prod.zoo.model the gate {would}")
    assert page.words[at + 1] == decision.reason
    assert at < page.words.index("What to do next") < page.words.index("Gain")
    assert follows in page.words[page.words.index("What to do next") + 1]


@pytest.mark.parametrize(
    "model_type", [BINARY_CLASSIFICATION, regression("EUR")], ids=lambda model_type: model_type.name
)
def test_text_and_page_show_every_figure_of_both(model_type: ModelType) -> None:
    report = make_report(model_type=model_type)
    text, page = write_comparison(report), read(report)
    lines = [line.split() for line in text.splitlines()]
    cells = [[cell for texts in row for cell in texts.split()] for row in page.rows]
    for each in report.metrics:
        assert each.challenger is not None
        assert each.champion is not None
        unit = [f"({each.metric.unit})"] if each.metric.unit else []
        better = {"challenger": ["Challenger"], "champion": ["Champion"], None: []}[each.better]
        figures = [f"{each.challenger:.4g}", f"{each.champion:.4g}"]
        assert [each.metric.name, *unit, *figures, *better] in lines
        assert [each.metric.name, *unit, *figures, *better] in cells
    for found in report.comparisons:
        unit = [f"({found.unit})"] if found.unit else []
        figures = [f"{figure:.4g}" for figure in (found.gain, found.low, found.high)]
        won = [str(found.wins), "of", "25"]
        assert [found.loss, *unit, *figures, "95%", *won] in lines
        assert [found.loss, *unit, *figures, "95%", *won] in cells
    for shown in (text, " ".join(page.words)):
        assert "the lower bound must exceed -0.002" in shown
    assert [
        next(iter(model_type.metrics)),
        "in",
        "Rows",
        "Challenger",
        "Champion",
        "Better",
    ] in lines
    assert [row[:4] for row in lines if row[:2] == ["half", "="]] == [
        ["half", "=", "<first>", "250"], ["half", "=", "second", "250"],
    ]  # fmt: skip


def test_columns_of_the_text_are_aligned_with_their_heads() -> None:
    lines = write_comparison(make_report()).splitlines()
    head = next(line for line in lines if line.startswith("Metric"))
    end = head.index("Champion") + len("Champion")
    row = next(line for line in lines if line.startswith("log_loss (nats) "))
    assert row[end - 1].isdigit()
    assert row[end : end + 2] == "  "


def test_page_loads_nothing_and_names_are_escaped() -> None:
    report = make_report()
    html = write_comparison_page(report)
    assert_self_contained(html)
    assert "<first>" not in html
    assert "<b>figures</b>" not in html
    assert read(report).plots == [
        "Gain in log_loss: to the right is better",
        "Gain in squared_error: to the right is better",
        "On the diagonal is best",
        "auc by half: Challenger minus Champion",
    ]


def test_text_and_page_show_no_slices_where_the_policy_has_none() -> None:
    report = replace(make_report(), slices=None)
    assert "No slice" not in write_comparison(report)
    assert "Slices" not in read(report).headings


def test_text_and_page_say_where_slices_are_too_small() -> None:
    report = make_report(min_rows=1000)
    for shown in (write_comparison(report), write_comparison_page(report)):
        assert "No slice has as many rows as the policy asks for." in shown


@pytest.mark.parametrize(
    ("champion", "says"),
    [
        (INSTANT - timedelta(days=1), None),
        (INSTANT, None),
        (INSTANT + timedelta(days=1), "The Champion was trained later, and then on these rows too"),
        (None, "The Champion may have been trained later, and then on these rows too"),
    ],
)
def test_champion_trained_on_the_rows_is_a_caution(
    champion: datetime | None, says: str | None
) -> None:
    report = make_report()
    tags = {"as_of": champion.isoformat()} if champion else {}
    report = replace(report, champion=replace(report.champion, tags=tags))
    for shown in (write_comparison(report), write_comparison_page(report)):
        assert ("trained later" in shown) == (says is not None)
        assert (says or "") in shown


def test_instant_that_is_not_recorded_is_named_so() -> None:
    report = make_report()
    assert "version 3 of prod.zoo.model, trained as of an instant not recorded" in write_comparison(
        report
    )
    dated = replace(report.champion, tags={"as_of": INSTANT.isoformat()})
    named = replace(report, champion=dated)
    assert "version 3 of prod.zoo.model, trained as of 2026-02-01 00:00 UTC" in write_comparison(
        named
    )
