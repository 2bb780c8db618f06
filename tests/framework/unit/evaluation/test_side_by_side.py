"""Side-by-side figures of two models."""

import numpy as np
import pytest

from flight_delays.errors import UnusableInputError
from flight_delays.evaluation.model_types import BINARY_CLASSIFICATION, Metric, regression
from flight_delays.evaluation.side_by_side import (
    Leader,
    SideBySide,
    compare_metrics,
    compare_slices,
)

LABELS = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.0])
SURE = np.array([0.1, 0.9, 0.2, 0.8, 0.7, 0.3])
UNSURE = np.array([0.5, 0.4, 0.4, 0.6, 0.4, 0.6])
MINUTES = regression("minutes")


@pytest.mark.parametrize(
    ("metric", "challenger", "champion", "better"),
    [
        (BINARY_CLASSIFICATION.metrics["auc"], 0.8, 0.7, "challenger"),
        (BINARY_CLASSIFICATION.metrics["auc"], 0.6, 0.7, "champion"),
        (BINARY_CLASSIFICATION.metrics["log_loss"], 0.4, 0.5, "challenger"),
        (BINARY_CLASSIFICATION.metrics["log_loss"], 0.6, 0.5, "champion"),
        (MINUTES.metrics["bias"], -1.0, 2.0, "challenger"),
        (MINUTES.metrics["bias"], 3.0, -2.0, "champion"),
        (MINUTES.metrics["bias"], 2.0, -2.0, None),
        (BINARY_CLASSIFICATION.metrics["base_rate"], 0.2, 0.3, None),
        (BINARY_CLASSIFICATION.metrics["auc"], 0.7, 0.7, None),
        (BINARY_CLASSIFICATION.metrics["auc"], None, 0.7, None),
        (BINARY_CLASSIFICATION.metrics["auc"], 0.7, None, None),
    ],
)
def test_the_better_figure_is_told_by_what_the_metric_asks(
    metric: Metric, challenger: float | None, champion: float | None, better: Leader | None
) -> None:
    assert SideBySide(metric, challenger, champion).better == better


def test_every_metric_of_the_model_type_is_measured_for_each_model() -> None:
    found = compare_metrics(BINARY_CLASSIFICATION, LABELS, SURE, UNSURE)
    assert [each.metric.name for each in found] == list(BINARY_CLASSIFICATION.metrics)
    assert {each.metric.name: each.challenger for each in found} == BINARY_CLASSIFICATION.measure(
        LABELS, SURE
    )
    assert {each.metric.name: each.champion for each in found} == BINARY_CLASSIFICATION.measure(
        LABELS, UNSURE
    )


def test_predictions_that_the_model_type_does_not_have_are_refused() -> None:
    with pytest.raises(UnusableInputError, match="finite numbers from 0 to 1"):
        compare_metrics(BINARY_CLASSIFICATION, LABELS, SURE, UNSURE * 60)


def test_slices_have_the_figures_of_both_and_small_ones_are_left_out() -> None:
    found = compare_slices(
        LABELS,
        SURE,
        UNSURE,
        {"origin": ["a", "a", "a", "a", "b", "b"], "month": ["x"] * 6},
        metric=BINARY_CLASSIFICATION.metrics["brier"],
        min_rows=3,
    )
    assert [(each.column, each.value, each.rows) for each in found] == [
        ("origin", "a", 4), ("month", "x", 6),
    ]  # fmt: skip
    first = found[0].contrast
    assert first.challenger == pytest.approx(np.mean((LABELS - SURE)[:4] ** 2))
    assert first.champion == pytest.approx(np.mean((LABELS - UNSURE)[:4] ** 2))
    assert first.better == "challenger"
