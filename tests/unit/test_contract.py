"""Requirements of any problem, tested on synthetic rows."""

import subprocess
import sys
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from flight_delays.config.data_quality import load_data_quality
from flight_delays.config.loading import load_configuration
from flight_delays.config.policy import load_policy
from flight_delays.problem import PROBLEM
from flight_delays.spec import Estimator, RequestFeature

ROWS = 300
AT = datetime(2013, 11, 1, 13, 45)
# Inputs of a function by SQL type, each with all its equivalent representations.
MISSING: tuple[Any, ...] = (None, np.nan)
VALUES: dict[str, list[tuple[Any, ...]]] = {
    "DOUBLE": [MISSING, (0.0,), (-1.5,), (60.25,)],
    "BIGINT": [MISSING, (0,), (-1,), (7,)],
    "STRING": [MISSING, ("",), ("a",)],
    "BOOLEAN": [MISSING, (True,), (False,)],
    "TIMESTAMP": [(*MISSING, pd.NaT), (AT, AT.replace(tzinfo=UTC), pd.Timestamp(AT))],
}
TYPE = PROBLEM.model_type
# Like an endpoint: with the model's file and libraries, without this project.
PROGRAM = """
import pickle, sys
sys.modules["flight_delays"] = None
with open(sys.argv[1], "rb") as file:
    model, rows = pickle.load(file)
print(*model.predict(rows).tolist())
"""


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Rows with all features, each with missing values."""
    chance = np.random.default_rng(0)
    columns: dict[str, Any] = {}
    for name in PROBLEM.categorical_columns:
        columns[name] = chance.choice(np.array(["a", "b", None], dtype=object), ROWS)
    for name in PROBLEM.numerical_columns:
        columns[name] = np.where(chance.random(ROWS) < 0.1, np.nan, chance.random(ROWS))
    return pd.DataFrame(columns)


def fit(rows: pd.DataFrame) -> Estimator:
    chance = np.random.default_rng(1)
    low, high = max(TYPE.lowest, -1e3), min(TYPE.highest, 1e3)
    values = chance.integers(0, 2, ROWS) if TYPE.labels else chance.uniform(low, high, ROWS)
    model = PROBLEM.build_estimator(load_configuration("model", PROBLEM.hyperparameters))
    model.fit(rows, pd.Series(values, dtype="float64"))
    return model


@pytest.fixture(scope="module")
def model(rows: pd.DataFrame) -> Estimator:
    return fit(rows)


def test_features_exclude_keys_times_and_label() -> None:
    hidden = {PROBLEM.label.column, PROBLEM.label.known_at, *PROBLEM.metadata_columns}
    assert not hidden & set(PROBLEM.feature_columns)


def test_model_and_baseline_predict_one_valid_number_per_row(
    model: Estimator, rows: pd.DataFrame
) -> None:
    for predictions in (model.predict(rows), PROBLEM.heuristic_baseline(rows)):
        assert np.shape(predictions) == (ROWS,)
        assert np.isfinite(predictions).all()
    assert all(TYPE.allows(float(each)) for each in np.asarray(PROBLEM.heuristic_baseline(rows)))


def test_training_is_deterministic(model: Estimator, rows: pd.DataFrame) -> None:
    np.testing.assert_array_equal(fit(rows).predict(rows), model.predict(rows))


def test_model_predicts_single_reordered_and_empty_rows(
    model: Estimator, rows: pd.DataFrame
) -> None:
    alone = model.predict(rows.iloc[:1, ::-1].astype(object))
    np.testing.assert_allclose(np.asarray(alone, float), np.asarray(model.predict(rows), float)[:1])
    assert np.isfinite(model.predict(pd.DataFrame({name: [None] for name in rows}))).all()


def test_pickled_model_predicts_without_project(
    model: Estimator, rows: pd.DataFrame, tmp_path: Path
) -> None:
    for module in PROBLEM.modules_by_value:
        cloudpickle.register_pickle_by_value(module)
    try:
        (tmp_path / "model.pkl").write_bytes(cloudpickle.dumps((model, rows)))
    finally:
        for module in PROBLEM.modules_by_value:
            cloudpickle.unregister_pickle_by_value(module)
    command = [sys.executable, "-I", "-c", PROGRAM, str(tmp_path / "model.pkl")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    answers = np.array(answer.stdout.split(), float)
    np.testing.assert_allclose(answers, np.asarray(model.predict(rows), float))


@pytest.mark.parametrize("feature", PROBLEM.request_features, ids=lambda each: each.output)
def test_request_feature_treats_missing_values_alike(
    feature: RequestFeature,
) -> None:
    kind, run = {"DOUBLE": float, "STRING": str}[feature.sql_type], feature.load()
    for given in product(*(VALUES[kind] for kind in feature.parameters.values())):
        forms = list(product(*given))
        results = [run(*form) for form in forms]
        # The original function must agree with its body, which the catalog runs.
        results.append(feature.function(*forms[0]))
        assert all(is_same(each, results[0]) for each in results), forms
        assert all(pd.isna(each) or isinstance(each, kind) for each in results), forms


def is_same(one: Any, other: Any) -> bool:
    return bool(pd.isna(one) and pd.isna(other)) or bool(one == other)


def test_policies_match_model_type_and_columns() -> None:
    load_data_quality([source.name for source in PROBLEM.sources])
    for name in ("policy", "policy_small"):
        validation = load_policy(name, TYPE).validation
        assert {*validation.slice_columns} <= {*PROBLEM.columns, *PROBLEM.feature_columns}
