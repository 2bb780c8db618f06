"""Baselines with categorical and numerical columns, missing values and both model types."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from flight_delays.evaluation.baselines import build_baselines
from flight_delays.evaluation.model_types import (
    BINARY_CLASSIFICATION,
    Estimator,
    ModelType,
    regression,
)

from tests.framework.unit.spec.orders import ORDERS_PROBLEM

EUR = regression("EUR")
INPUTS = list(ORDERS_PROBLEM.feature_columns)


def make_rows(rows: int, seed: int) -> pd.DataFrame:
    """Return rows in which the shop is most predictive and every column has missing values."""
    generator = np.random.default_rng(seed)
    shop = generator.choice(np.array(["north", "south"], dtype=object), size=rows)
    orders = generator.normal(size=rows)
    chance = np.where(shop == "north", 0.9, 0.1)
    frame = pd.DataFrame(
        {
            "shop": shop,
            "country": generator.choice(np.array(["NL", "BE", None], dtype=object), size=rows),
            "orders": np.where(generator.uniform(size=rows) < 0.1, np.nan, orders),
            "returns_share": np.nan,
        }
    )
    frame.loc[: rows // 50, "shop"] = None
    return frame.assign(
        binary_classification=(generator.uniform(size=rows) < chance).astype(float),
        regression=100 * chance + 10 * orders,
    )


TRAIN, VALIDATION = make_rows(400, 1), make_rows(300, 2)


def fit(model_type: ModelType) -> Mapping[str, Estimator]:
    """Return the fitted baselines of a model type."""
    baselines = build_baselines(
        model_type, ORDERS_PROBLEM.categorical_columns, ORDERS_PROBLEM.numerical_columns
    )
    for estimator in baselines.values():
        estimator.fit(TRAIN[INPUTS], TRAIN[model_type.name])
    return baselines


@pytest.fixture(scope="module")
def fitted() -> Mapping[str, Mapping[str, Estimator]]:
    """Return the baselines by model type."""
    return {model_type.name: fit(model_type) for model_type in (BINARY_CLASSIFICATION, EUR)}


@pytest.mark.parametrize(
    ("model_type", "names", "floor"),
    [
        (BINARY_CLASSIFICATION, ["mean of all", "logistic regression", "gradient boosting"], 0.8),
        (EUR, ["mean of all", "ridge regression", "gradient boosting"], 0.8),
    ],
    ids=["binary", "number"],
)
def test_baselines_of_a_model_type_learn_what_there_is_to_learn(
    model_type: ModelType,
    names: list[str],
    floor: float,
    fitted: Mapping[str, Mapping[str, Estimator]],
) -> None:
    baselines = fitted[model_type.name]
    assert list(baselines) == names
    metric = {"binary_classification": "auc", "regression": "r2"}[model_type.name]
    for name, estimator in baselines.items():
        predictions = np.asarray(estimator.predict(VALIDATION[INPUTS]))
        assert predictions.dtype == np.float64
        figure = model_type.measure(VALIDATION[model_type.name], predictions)[metric]
        assert figure is not None
        if name == "mean of all":
            assert predictions == pytest.approx(np.full(300, TRAIN[model_type.name].mean()))
        else:
            assert figure > floor


@pytest.mark.parametrize("model_type", [BINARY_CLASSIFICATION, EUR], ids=["binary", "number"])
def test_values_that_are_new_missing_or_loosely_typed_are_taken(
    model_type: ModelType, fitted: Mapping[str, Mapping[str, Estimator]]
) -> None:
    strange = pd.DataFrame(
        {
            "returns_share": [None, 1, 0.5],
            "country": ["FR", None, pd.NA],
            "orders": [None, None, 2],
            "shop": ["east", None, "north"],
        },
        dtype=object,
    )
    for estimator in fitted[model_type.name].values():
        assert np.isfinite(estimator.predict(strange)).all()


def test_the_same_rows_give_the_same_baselines(
    fitted: Mapping[str, Mapping[str, Estimator]],
) -> None:
    first, again = (
        [np.asarray(estimator.predict(VALIDATION[INPUTS])) for estimator in baselines.values()]
        for baselines in (fitted[BINARY_CLASSIFICATION.name], fit(BINARY_CLASSIFICATION))
    )
    np.testing.assert_array_equal(first, again)
