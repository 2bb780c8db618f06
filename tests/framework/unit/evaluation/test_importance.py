"""Permutation importance of inputs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from flight_delays.errors import UnusableInputError
from flight_delays.evaluation.importance import Importance, measure_importance
from flight_delays.evaluation.model_types import regression

EUR = regression("EUR", lowest=0)
ROWS = pd.DataFrame(
    {"unused": ["x", None, "y"] * 100, "large": np.arange(300.0), "small": [0.0, 10.0, 20.0] * 100},
    index=range(500, 800),
)


def add_up(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
    return (rows["large"] + rows["small"]).to_numpy()


@dataclass(frozen=True)
class Model:
    """An estimator that predicts with a function."""

    predict: Callable[[pd.DataFrame], npt.ArrayLike] = add_up

    def fit(self, X: pd.DataFrame, y: pd.Series) -> None: ...  # noqa: N803


def measure(labels: npt.ArrayLike, loss: str = "absolute_error", seed: int = 1) -> list[Importance]:
    return list(
        measure_importance(Model(), ROWS, labels, model_type=EUR, loss=loss, repeats=3, seed=seed)
    )


def test_inputs_are_ranked_by_the_rise_of_the_mean_loss() -> None:
    found = measure(add_up(ROWS))
    assert [each.column for each in found] == ["large", "small", "unused"]
    large, small, unused = found
    # The mean distance of two values sampled from 0, 10, 20 is 80 / 9, from 0 to 299 about 100.
    assert large.rise == pytest.approx(100, rel=0.1)
    assert small.rise == pytest.approx(80 / 9, rel=0.2)
    assert (unused.rise, unused.spread) == (0, 0)
    assert large.spread > 0


def test_rise_is_measured_by_the_named_loss() -> None:
    assert measure(add_up(ROWS), "squared_error")[0].rise == pytest.approx(2 * 300**2 / 12, rel=0.2)
    with pytest.raises(UnusableInputError, match="allowed: squared_error, absolute_error"):
        measure(add_up(ROWS), "log_loss")


def test_same_seed_gives_same_figures() -> None:
    labels = add_up(ROWS)
    assert measure(labels) == measure(labels)
    assert measure(labels) != measure(labels, seed=2)


def test_misleading_input_has_negative_rise() -> None:
    assert measure(-add_up(ROWS) + 400)[-1].rise < 0


def test_impossible_predictions_of_shuffled_rows_are_clipped() -> None:
    def subtract(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
        return (rows["large"] - rows["large"].shift(fill_value=0)).to_numpy()

    found = measure_importance(
        Model(subtract), ROWS, np.ones(300), model_type=EUR, loss="squared_error", repeats=1, seed=1
    )
    assert all(np.isfinite(each.rise) for each in found)
