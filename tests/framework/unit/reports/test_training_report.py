"""The values in the training report and the model card."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from flight_delays.config.policy import load_policy
from flight_delays.evaluation.backtest import Candidate
from flight_delays.evaluation.curves import SliceFigure
from flight_delays.evaluation.importance import Importance, explain_predictions
from flight_delays.evaluation.model_types import BINARY_CLASSIFICATION, ModelType, regression
from flight_delays.problem import PROBLEM
from flight_delays.reports.training_report import (
    TrainingResult,
    colour,
    write_model_card,
    write_training_page,
)

from tests.framework.unit.reports.test_validation_report import assert_self_contained


def make_result(model_type: ModelType = BINARY_CLASSIFICATION) -> TrainingResult:
    generator = np.random.default_rng(1)
    predictions = generator.uniform(size=200)
    labels = (generator.uniform(size=200) < predictions).astype(float)
    values = pd.DataFrame({"<i>shop": ["a", "b"] * 30, "orders": np.arange(60.0)})
    loss, metric = next(iter(model_type.losses)), next(iter(model_type.metrics))
    policy = load_policy("policy_small", PROBLEM.model_type)
    assert policy.validation.slices is not None
    slices = policy.validation.slices.model_copy(update={"min_rows": 50, "metric": metric})
    own = Candidate(
        name="the model",
        loss=0.6,
        figures=dict.fromkeys(model_type.metrics, 0.25),
        predictions=predictions,
    )
    best = replace(own, name="mean of all", loss=0.5, figures={loss: 0.6})
    return TrainingResult(
        run_id="abc",
        model="dev.shop.returns",
        tags={"as_of": "2026-02-01T00:00:00+00:00", "policy": "policy", "git_commit": "1a2b"},
        description="Whether an order comes back.",
        intended_use="For shops.",
        limits="Not for gifts.",
        target="`returned` of the table `returns`.",
        model_type=model_type,
        policy=policy.model_copy(
            update={
                "validation": policy.validation.model_copy(update={"slices": slices}),
                "comparison": policy.comparison.model_copy(update={"loss": loss}),
            }
        ),
        windows={"training": ("before 2026-01-01", 12_345), "holdout": ("from 2026-01-01", 678)},
        tables={"dev.shop.customers": "7"},
        features={"`customers`": ("orders", "country")},
        numerical=frozenset({"orders"}),
        hyperparameters={"rate": 0.5},
        metrics={metric: 0.71239},
        slices=[
            SliceFigure("shop", "a|b", 500, 0.2, 0.25, 0.66),
            SliceFigure("shop", "c", 60, 0.0, 0.1, None),
        ],
        backtest_rows=(9_000, 2_000),
        backtest_labels=labels,
        candidates=[best, own],
        own=own,
        importance=[
            Importance("orders", 0.0875, 0.01),
            *(Importance(f"input_{n}", 0.05 / (n + 1), 0.0) for n in range(12)),
        ],
        explanation=explain_predictions(
            lambda rows: rows["orders"] / 100, values, values.tail(3), seed=1
        ),
    )


def split_sections(card: str) -> dict[str, str]:
    titled = re.split(r"^## (.+)\n", card, flags=re.MULTILINE)
    return dict(zip(titled[1::2], titled[2::2], strict=True))


def test_card_has_its_sections_in_order() -> None:
    card = write_model_card(make_result())
    assert card.startswith("# dev.shop.returns\n\nWhether an order comes back.\n")
    assert list(split_sections(card)) == [
        "Intended use", "Limits", "Data", "Target", "Features", "Hyperparameters",
        "Metrics on held-out rows", "Metrics by slice", "Candidates", "Importance of inputs",
        "How to reproduce",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("section", "lines"),
    [
        ("Intended use", ["For shops."]),
        ("Limits", ["Not for gifts."]),
        ("Data", ["| training | before 2026-01-01 | 12,345 |", "| dev.shop.customers | 7 |"]),
        ("Target", ["`returned` of the table `returns`."]),
        ("Features", ["| `customers` | `orders`, `country` |"]),
        ("Hyperparameters", ["| `rate` | 0.5 |"]),
        ("Metrics on held-out rows", ["| auc | 0.7124 |"]),
        (
            "Metrics by slice",
            [
                "| slice | rows | auc | mean label | mean prediction |",
                "| --- | --- | --- | --- | --- |",
                "| shop = a\\|b | 500 | 0.66 | 0.2 | 0.25 |",
                "| shop = c | 60 | not measured | 0 | 0.1 |",
            ],
        ),
        (
            "Candidates",
            [
                "| --- | --- | --- | --- | --- | --- |",
                "| mean of all |  | 0.6 nats |  |  |  |",
                "| the model | 0.25 | 0.25 nats | 0.25 | 0.25 | 0.25 |",
            ],
        ),
        ("Importance of inputs", ["| input | rise in nats |", "| `orders` | 0.09 ± 0.01 |"]),
        (
            "How to reproduce",
            [
                "Run `abc`, of commit `1a2b`. With the same code and tables of the same rows, this "
                "trains the same model:",
                "databricks bundle run model_training --params "
                "as_of=2026-02-01T00:00:00+00:00,policy=policy",
            ],
        ),
    ],
)
def test_each_section_of_the_card_has_its_facts(section: str, lines: list[str]) -> None:
    text = split_sections(write_model_card(make_result()))[section].splitlines()
    assert [line for line in lines if line not in text] == []


def test_tables_of_the_card_have_no_blank_line_within_and_one_around() -> None:
    card = write_model_card(make_result())
    assert re.findall(r"\|\n\n\|", card) == ["|\n\n|"], "between the two tables of Data alone"
    assert not re.search(r"[^|\n]\n\||\|\n[^|\n]|\n\n\n", card)


def test_card_lists_the_first_inputs_only() -> None:
    card = write_model_card(make_result())
    assert "`input_8`" in card
    assert "input_9" not in card


def test_card_says_what_is_not_known() -> None:
    result = make_result()
    unknown = replace(result, slices=[], tags={**result.tags, "git_commit": "uncommitted"})
    sections = split_sections(write_model_card(unknown))
    assert sections["Metrics by slice"].strip().endswith("has 50 rows or more.")
    assert "of code that is in no commit" in sections["How to reproduce"]
    without = split_sections(write_model_card(replace(result, slices=None)))
    assert sections.keys() - without.keys() == {"Metrics by slice"}


@pytest.mark.parametrize(
    "model_type", [BINARY_CLASSIFICATION, regression("EUR")], ids=lambda model_type: model_type.name
)
def test_page_has_candidates_importance_and_calibration(model_type: ModelType) -> None:
    page = write_training_page(make_result(model_type))
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert captions[0].startswith(f"Mean {next(iter(model_type.losses))}")
    assert captions[2] == "Contributions of inputs to predictions"
    assert any(caption.startswith("Calibration") for caption in captions)
    assert page.index("mean of all") < page.index(">the model<")
    assert "9,000 rows" in page
    assert ">0.09 ± 0.01<" in page, "importance with its spread"
    assert "0.580 ± 0.006, the mean prediction" in page
    assert "&lt;i&gt;shop" in page
    assert "<i>shop" not in page
    assert_self_contained(page)


def test_contributions_are_coloured_by_value() -> None:
    found = colour(np.array([0.1, 0.2, 0.3, 0.4]), pd.Series([1, None, 3, 2], dtype=object))
    assert {name: list(dots) for name, dots in found.items()} == {
        "first": [0.1, 0.4], "second": [0.3], "muted": [0.2],
    }  # fmt: skip
    missing = colour(np.zeros(2), pd.Series([None, None]))
    assert {name: len(dots) for name, dots in missing.items()} == {
        "first": 0, "second": 0, "muted": 2,
    }  # fmt: skip
