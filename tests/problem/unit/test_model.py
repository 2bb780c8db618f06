"""The model, the heuristic baseline, the hyperparameters and the policies."""

import json

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.metrics import log_loss, roc_auc_score

from flight_delays.config.loading import load_configuration
from flight_delays.config.policy import load_policy
from flight_delays.problem import PROBLEM
from flight_delays.problem.model import Hyperparameters, heuristic_baseline
from flight_delays.spec import Estimator

TRAINING_COLUMNS = list(PROBLEM.feature_columns)

LAST_WEEK = pd.Timestamp("2013-01-25T00:00Z")


def load_hyperparameters() -> Hyperparameters:
    return load_configuration("model", Hyperparameters)


@pytest.fixture(scope="module")
def labelled(training_set: pd.DataFrame) -> pd.DataFrame:
    return training_set[training_set["late"].notna()]


@pytest.fixture(scope="module")
def held_out(labelled: pd.DataFrame) -> pd.DataFrame:
    return labelled[labelled["decision_at"] >= LAST_WEEK]


@pytest.fixture(scope="module")
def model(labelled: pd.DataFrame) -> Estimator:
    known = labelled[labelled["decision_at"] < LAST_WEEK]
    model = PROBLEM.build_estimator(load_hyperparameters())
    model.fit(known[TRAINING_COLUMNS], known["late"])
    return model


def test_model_predicts_probabilities_and_beats_baseline(
    model: Estimator, held_out: pd.DataFrame
) -> None:
    predictions = np.asarray(model.predict(held_out))
    assert predictions.shape == (len(held_out),)
    assert predictions.dtype == np.float64
    assert ((predictions > 0) & (predictions < 1)).all()
    assert 0.65 < roc_auc_score(held_out["late"], predictions) < 0.8
    baseline = heuristic_baseline(held_out)
    assert log_loss(held_out["late"], predictions) < log_loss(held_out["late"], baseline)


def test_json_rows_have_same_predictions(model: Estimator, held_out: pd.DataFrame) -> None:
    rows = held_out[TRAINING_COLUMNS].head(500)
    records = [
        {column: None if pd.isna(value) else value for column, value in record.items()}
        for record in rows.to_dict("records")
    ]
    loose = pd.DataFrame(json.loads(json.dumps(records)), dtype=object)
    loose["seats"] = loose["seats"].astype("Float64")
    loose["departure_minute"] = loose["departure_minute"].astype(int)
    assert loose["wind_gust"].isna().any()
    np.testing.assert_array_equal(model.predict(loose), model.predict(rows))


@pytest.mark.parametrize("unknown", ["ZZ", "", None, np.nan, pd.NA], ids=repr)
def test_unseen_category_counts_as_missing(
    model: Estimator, held_out: pd.DataFrame, unknown: object
) -> None:
    row = held_out.head(1).astype(object)
    missing = model.predict(row.assign(carrier=None))
    changed = row.assign(carrier=pd.Series([unknown], index=row.index, dtype=object))
    np.testing.assert_array_equal(model.predict(changed), missing)
    assert model.predict(row) != missing


def test_row_without_values_has_probability(model: Estimator) -> None:
    nothing = pd.DataFrame({column: [None] for column in TRAINING_COLUMNS})
    assert 0 < np.asarray(model.predict(nothing))[0] < 1


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"route_late_share_14d": 0.5, "route_landed_14d": 90, "origin_late_share_3h": 0}, 0.45),
        ({"route_late_share_14d": 1.0, "route_landed_14d": 1, "origin_late_share_3h": 0.1}, 2 / 11),
        (
            {"route_late_share_14d": None, "route_landed_14d": None, "origin_late_share_3h": 0.3},
            0.3,
        ),
        ({"route_late_share_14d": 0.0, "route_landed_14d": 10, "origin_late_share_3h": None}, 0.12),
        (
            {"route_late_share_14d": None, "route_landed_14d": None, "origin_late_share_3h": None},
            0.24,
        ),
    ],
)
def test_heuristic_baseline_falls_back_to_origin_and_usual_share(
    known: dict[str, float | None], expected: float
) -> None:
    assert heuristic_baseline(pd.DataFrame([known])) == pytest.approx([expected])


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 0.0},
        {"learning_rate": 1.5},
        {"max_iter": 0},
        {"max_iter": 10.5},
        {"max_leaf_nodes": 1},
        {"max_features": 0.0},
        {"max_bins": 256},
        {"l2_regularization": -1.0},
        {"early_stopping": True},
    ],
    ids=str,
)
def test_invalid_hyperparameters_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        Hyperparameters.model_validate(load_hyperparameters().model_dump() | change)


EACH_POLICY = pytest.mark.parametrize("name", ["policy", "policy_small"])


@EACH_POLICY
def test_policy_has_slices_by_carrier_and_origin(name: str) -> None:
    policy = load_policy(name, PROBLEM.model_type)
    assert policy.validation.slice_columns == ["carrier", "origin"]
    assert "as_of" in policy.validation.required_tags


@EACH_POLICY
def test_policy_bounds_exclude_useless_and_leaking_models(name: str) -> None:
    validation = load_policy(name, PROBLEM.model_type).validation
    assert validation.slices is not None
    auc, loss = validation.metrics["auc"].sides, validation.metrics["log_loss"].sides
    assert 0.95 > auc["max"] > auc["min"] > validation.slices.sides["min"] > 0.5
    assert loss["max"] < 0.693
