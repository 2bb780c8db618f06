"""Baselines of any problem: texts and numbers, some of them missing, of both kinds of outcome."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from flight_delays.baselines import build_baselines
from flight_delays.contract import Estimator
from flight_delays.lifecycle import BINARY, Kind, number

from tests.contract.orders import ORDERS_PROBLEM

EUR = number("EUR")
INPUTS = list(ORDERS_PROBLEM.inputs)


def make_rows(rows: int, seed: int) -> pd.DataFrame:
    """Make rows in which the shop says most, and some of everything is missing."""
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
        binary=(generator.uniform(size=rows) < chance).astype(float),
        number=100 * chance + 10 * orders,
    )


LEARNED, TESTED = make_rows(400, 1), make_rows(300, 2)


def fit(kind: Kind) -> Mapping[str, Estimator]:
    """Return the baselines of a kind, fitted to the rows learned from."""
    baselines = build_baselines(replace(ORDERS_PROBLEM, kind=kind))
    for estimator in baselines.values():
        estimator.fit(LEARNED[INPUTS], LEARNED[kind.name])
    return baselines


@pytest.fixture(scope="module")
def fitted() -> Mapping[str, Mapping[str, Estimator]]:
    """Baselines, by kind."""
    return {kind.name: fit(kind) for kind in (BINARY, EUR)}


@pytest.mark.parametrize(
    ("kind", "names", "floor"),
    [
        (BINARY, ["mean of all", "logistic regression", "gradient boosting"], 0.8),
        (EUR, ["mean of all", "ridge regression", "gradient boosting"], 0.8),
    ],
    ids=["binary", "number"],
)
def test_baselines_of_a_kind_learn_what_there_is_to_learn(
    kind: Kind,
    names: list[str],
    floor: float,
    fitted: Mapping[str, Mapping[str, Estimator]],
) -> None:
    baselines = fitted[kind.name]
    assert list(baselines) == names
    metric = {"binary": "auc", "number": "r2"}[kind.name]
    for name, estimator in baselines.items():
        predictions = np.asarray(estimator.predict(TESTED[INPUTS]))
        assert predictions.dtype == np.float64
        figure = kind.measure(TESTED[kind.name], predictions)[metric]
        assert figure is not None
        if name == "mean of all":
            assert predictions == pytest.approx(np.full(300, LEARNED[kind.name].mean()))
        else:
            assert figure > floor


@pytest.mark.parametrize("kind", [BINARY, EUR], ids=["binary", "number"])
def test_values_that_are_new_missing_or_loosely_typed_are_taken(
    kind: Kind, fitted: Mapping[str, Mapping[str, Estimator]]
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
    for estimator in fitted[kind.name].values():
        assert np.isfinite(estimator.predict(strange)).all()


def test_the_same_rows_give_the_same_baselines(
    fitted: Mapping[str, Mapping[str, Estimator]],
) -> None:
    first, again = (
        [np.asarray(estimator.predict(TESTED[INPUTS])) for estimator in baselines.values()]
        for baselines in (fitted[BINARY.name], fit(BINARY))
    )
    np.testing.assert_array_equal(first, again)
