import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laptop.profiling.quality import classify, regress
from sklearn import metrics

NAMES = ["late", "on time", "lost"]
PAIRS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=50)


@settings(max_examples=25, deadline=None)
@given(PAIRS)
def test_classification_agrees_with_sklearn(pairs: list[tuple[int, int]]) -> None:
    occurring = sorted(set(pairs))
    predicted, actual = (np.array([pair[at] for pair in occurring]) for at in (0, 1))
    found = classify(predicted, actual, np.array([pairs.count(p) for p in occurring]), NAMES)

    y_pred, y_true = ([NAMES[pair[at]] for pair in pairs] for at in (0, 1))
    assert found["accuracy_score"] == pytest.approx(metrics.accuracy_score(y_true, y_pred))
    for name, score in (
        ("precision", metrics.precision_score),
        ("recall", metrics.recall_score),
        ("f1_score", metrics.f1_score),
    ):
        for average in ("macro", "weighted"):
            expected = score(y_true, y_pred, average=average, zero_division=0)
            assert found[name][average] == pytest.approx(expected, abs=1e-12)
    assert {
        (cell["prediction"], cell["label"], cell["count"]) for cell in found["confusion_matrix"]
    } == {(NAMES[p], NAMES[a], pairs.count((p, a))) for p, a in pairs}


def test_regression_agrees_with_sklearn() -> None:
    random = np.random.default_rng(1)
    labels = random.normal(5, 1, 100)
    predictions = labels + random.normal(0, 0.3, 100)

    found = regress(predictions, labels)

    assert found["mean_squared_error"] == pytest.approx(
        metrics.mean_squared_error(labels, predictions)
    )
    assert found["mean_average_error"] == pytest.approx(
        metrics.mean_absolute_error(labels, predictions)
    )
    assert found["mean_absolute_percentage_error"] == pytest.approx(
        metrics.mean_absolute_percentage_error(labels, predictions)
    )
    assert found["r2_score"] == pytest.approx(metrics.r2_score(labels, predictions))


def test_quality_without_labels_is_unknown() -> None:
    nothing = np.empty(0)

    assert regress(nothing, nothing) == {}
    assert classify(nothing.astype(int), nothing.astype(int), nothing.astype(int), []) == {}
