"""What people read of a training: its page and the model's card, by values."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from flight_delays.evaluation.curves import SliceFigure
from flight_delays.evaluation.importance import Importance
from flight_delays.evaluation.model_types import BINARY_CLASSIFICATION, ModelType, regression
from flight_delays.evaluation.shapley import explain
from flight_delays.reports import Card, Score, TrainingPage, write_card, write_training_page
from flight_delays.reports.charts import Dot, Swarm, draw_swarms
from flight_delays.reports.training_page import colour

CARD = Card(
    model="dev.shop.returns",
    run_id="abc",
    tags={"as_of": "2026-02-01T00:00:00+00:00", "policy": "policy", "git_commit": "1a2b"},
    description="Whether an order comes back.",
    intended_use="For shops.",
    limits="Not for gifts.",
    target="`returned` of the table `returns`.",
    windows={"training": ("before 2026-01-01", 12_345), "holdout": ("from 2026-01-01", 678)},
    tables={"dev.shop.customers": "7"},
    features={"`customers`": ("orders", "country")},
    hyperparameters={"rate": 0.5},
    scores=[Score("auc", 0.71239, ""), Score("log_loss", 0.5, "nats")],
    slices=[
        SliceFigure("shop", "a|b", 500, 0.2, 0.25, 0.66),
        SliceFigure("shop", "c", 60, 0.0, 0.1, None),
    ],
    slice_metric="auc",
    slice_rows=50,
    loss="log_loss",
    backtest_rows=(9_000, 2_000),
    candidates={
        "the model": [Score("auc", 0.7, ""), Score("log_loss", 0.51, "nats")],
        "mean of all": [Score("log_loss", 0.6, "nats")],
    },
    importance=[Importance(f"input_{n}", 1 / (n + 1), 0.0) for n in range(12)],
    importance_unit="nats",
)


def sections_of(card: str) -> dict[str, str]:
    titled = re.split(r"^## (.+)\n", card, flags=re.MULTILINE)
    return dict(zip(titled[1::2], titled[2::2], strict=True))


def test_a_card_says_what_a_reader_asks_in_this_order() -> None:
    card = write_card(CARD)
    assert card.startswith("# dev.shop.returns\n\nWhether an order comes back.\n")
    assert list(sections_of(card)) == [
        "Intended use", "Limits", "Data", "Target", "Features", "Hyperparameters",
        "Metrics on held-out rows", "Metrics by slice", "Candidates", "What it leans on",
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
        ("Metrics on held-out rows", ["| auc | 0.7124 |", "| log_loss | 0.5 nats |"]),
        (
            "Metrics by slice",
            [
                "| shop = a\\|b | 500 | 0.66 | 0.2 | 0.25 |",
                "| shop = c | 60 | not measured | 0 | 0.1 |",
            ],
        ),
        ("Candidates", ["| the model | 0.7 | 0.51 nats |", "| mean of all |  | 0.6 nats |"]),
        ("What it leans on", ["| input | rise in nats |", "| `input_9` | 0.1 |"]),
        (
            "How to reproduce",
            [
                "Run `abc`, of commit `1a2b`. With the same code, on tables that hold the same "
                "rows, the same model is trained by:",
                "databricks bundle run model_training --params "
                "as_of=2026-02-01T00:00:00+00:00,policy=policy",
            ],
        ),
    ],
)
def test_each_section_of_a_card_has_its_facts(section: str, lines: list[str]) -> None:
    text = sections_of(write_card(CARD))[section].splitlines()
    assert [line for line in lines if line not in text] == []


def test_a_card_lists_the_first_inputs_only() -> None:
    assert "input_10" not in write_card(CARD)


def test_a_card_owns_up_to_what_is_not_known() -> None:
    unknown = replace(CARD, slices=[], tags={**CARD.tags, "git_commit": "uncommitted"})
    sections = sections_of(write_card(unknown))
    assert sections["Metrics by slice"].strip().endswith("has 50 rows or more.")
    assert "of code that is in no commit" in sections["How to reproduce"]


def make_page(model_type: ModelType) -> TrainingPage:
    generator = np.random.default_rng(1)
    predictions = generator.uniform(size=200)
    labels = (generator.uniform(size=200) < predictions).astype(float)
    values = pd.DataFrame({"<i>shop": ["a", "b"] * 30, "orders": np.arange(60.0)})
    (loss, *_) = model_type.losses
    return TrainingPage(
        model="dev.shop.returns",
        as_of="2026-02-01",
        model_type=model_type,
        loss=loss,
        backtest_rows=(9_000, 2_000),
        candidates={"mean of all": 0.5, "the model": 0.6},
        figures={"mean of all": {}, "the model": dict.fromkeys(model_type.metrics, 0.25)},
        labels=labels,
        predictions=predictions,
        importance=[Importance("orders", 0.0875, 0.01), Importance("<i>shop", 0.0, 0.0)],
        explanation=explain(lambda rows: rows["orders"] / 100, values, values.tail(3), seed=1),
        numbers=frozenset({"orders"}),
    )


@pytest.mark.parametrize(
    "model_type", [BINARY_CLASSIFICATION, regression("EUR")], ids=["binary", "number"]
)
def test_a_page_has_candidates_reasons_and_calibration_of_each_kind(model_type: ModelType) -> None:
    page = write_training_page(make_page(model_type))
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert captions[0].startswith(f"Mean {next(iter(model_type.losses))}")
    assert captions[2] == "What inputs add to predictions"
    assert any(caption.startswith("Calibration") for caption in captions)
    assert page.index("mean of all") < page.index(">the model<")
    assert "9,000 rows" in page
    assert "0.0875" in page
    assert "0.58" in page, "the mean prediction that the others are compared with"
    assert "<i>shop" not in page
    assert not re.search(r"<script|https?://|src=", page)


def test_dots_have_the_colour_of_their_value() -> None:
    dots = colour(np.array([0.1, 0.2, 0.3, 0.4]), pd.Series([1, None, 3, 2], dtype=object))
    assert dots == [Dot(0.1, "first"), Dot(0.2, "faint"), Dot(0.3, "second"), Dot(0.4, "first")]
    assert {dot.role for dot in colour(np.zeros(2), pd.Series([None, None]))} == {"faint"}


def test_dots_lie_where_their_figure_is_and_none_covers_another_line() -> None:
    swarms = [
        Swarm("a", [Dot(0.0, "first")] * 300),
        Swarm("b", [Dot(-1.0, "first"), Dot(1.0, "first")]),
    ]
    drawn = draw_swarms("t", swarms, {"first": "low"})
    dots = [(float(x), float(y)) for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', drawn)]
    crowd, (left, right) = dots[:300], dots[300:]
    assert len(dots) == 302
    assert crowd[0][0] == pytest.approx((left[0] + right[0]) / 2, abs=0.1)
    assert {x for x, _ in crowd} == {crowd[0][0]}
    assert max(y for _, y in crowd) <= left[1] == right[1]
    assert len({y for _, y in crowd}) > 5
