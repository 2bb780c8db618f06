"""Shapley values sum to the prediction and are attributed to the right inputs."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from flight_delays.evaluation.importance import explain_predictions

NAN = float("nan")


def make_rows(seed: int, rows: int) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "carrier": generator.choice(np.array(["AA", "UA", None], dtype=object), size=rows),
            "wind": np.where(generator.uniform(size=rows) < 0.2, NAN, generator.normal(size=rows)),
            "seats": generator.integers(1, 9, size=rows),
            "unused": generator.normal(size=rows),
        },
        index=range(1000, 1000 + rows),
    )


def predict(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Predict from interacting inputs whose types must be preserved."""
    assert rows["seats"].dtype.kind == "i"
    late = (rows["carrier"] == "UA").to_numpy(dtype=float)
    wind = rows["wind"].fillna(3.0).to_numpy()
    late_share: npt.NDArray[np.float64] = np.tanh(late * wind + rows["seats"].to_numpy() * wind**2)
    return late_share


ROWS, BACKGROUND = make_rows(1, 300), make_rows(2, 12)


def test_base_and_contributions_add_up_to_the_prediction_of_every_row() -> None:
    found = explain_predictions(predict, ROWS, BACKGROUND, seed=3)
    np.testing.assert_array_equal(found.predictions, predict(ROWS))
    assert found.base == pytest.approx(predict(BACKGROUND).mean(), abs=1e-12)
    error = predict(BACKGROUND).std(ddof=1) / np.sqrt(12)
    assert found.base_error == pytest.approx(error, rel=1e-9)
    np.testing.assert_allclose(
        found.base + found.contributions.sum(axis=1), predict(ROWS), rtol=0, atol=1e-12
    )


def test_what_the_model_does_not_use_adds_nothing_and_ranks_last() -> None:
    found = explain_predictions(predict, ROWS, BACKGROUND, seed=3)
    assert (found.contributions[:, 3] == 0).all()
    assert found.rank()[-1] == "unused"
    assert set(found.rank()) == set(ROWS.columns)


def test_where_inputs_act_alone_each_adds_its_distance_from_the_background() -> None:
    rows = pd.DataFrame({"a": [1.0, 5.0], "b": [2.0, -4.0]})
    background = pd.DataFrame({"a": [0.0, 2.0], "b": [1.0, 1.0]})
    found = explain_predictions(lambda r: 3 * r["a"] + r["b"], rows, background, seed=1)
    assert found.base == 4
    np.testing.assert_allclose(found.contributions, [[0, 1], [12, -5]])
    assert found.rank() == ["a", "b"]


def test_two_inputs_that_act_together_share_what_they_add() -> None:
    rows, background = (
        pd.DataFrame({"a": [2.0], "b": [3.0]}),
        pd.DataFrame({"a": [0.0], "b": [0.0]}),
    )
    found = explain_predictions(lambda r: r["a"] * r["b"], rows, background, seed=1)
    np.testing.assert_allclose(found.contributions, [[3.0, 3.0]])


def test_the_same_seed_takes_predictions_apart_alike() -> None:
    first, again, other = (
        explain_predictions(predict, ROWS, BACKGROUND, seed=s).contributions for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
