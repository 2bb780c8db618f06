"""The model, as it is fitted, asked, pickled and compared to the heuristic baseline."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import Pipeline

from flight_delays.config.loading import load_configuration
from flight_delays.config.policy import load_policy
from flight_delays.problem import PROBLEM, probability
from flight_delays.problem.model import (
    CATEGORIES,
    NUMBERS,
    Hyperparameters,
    build_model,
    heuristic_baseline,
)
from flight_delays.problem.probability import TypedColumns

TRAINING_COLUMNS = CATEGORIES + NUMBERS

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
def model(labelled: pd.DataFrame) -> Pipeline:
    known = labelled[labelled["decision_at"] < LAST_WEEK]
    return build_model(load_hyperparameters()).fit(known[[*TRAINING_COLUMNS]], known["late"])


def test_predictions_are_one_probability_a_row_that_ranks_flights_and_beats_the_rule_of_thumb(
    model: Pipeline, held_out: pd.DataFrame
) -> None:
    predictions = model.predict(held_out)
    assert predictions.shape == (len(held_out),)
    assert predictions.dtype == np.float64
    assert ((predictions > 0) & (predictions < 1)).all()
    assert 0.65 < roc_auc_score(held_out["late"], predictions) < 0.8
    baseline = heuristic_baseline(held_out)
    assert log_loss(held_out["late"], predictions) < log_loss(held_out["late"], baseline)


def test_the_same_rows_and_hyperparameters_give_the_same_model(
    labelled: pd.DataFrame, held_out: pd.DataFrame
) -> None:
    first, second = (
        build_model(load_hyperparameters().model_copy(update={"max_iter": 5})).fit(
            labelled, labelled["late"]
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.predict(held_out), second.predict(held_out))


def test_order_of_columns_and_columns_it_does_not_know_do_not_matter(
    model: Pipeline, held_out: pd.DataFrame
) -> None:
    plain = held_out[[*TRAINING_COLUMNS]]
    np.testing.assert_array_equal(model.predict(plain), model.predict(plain.iloc[:, ::-1]))
    np.testing.assert_array_equal(model.predict(plain), model.predict(held_out))


def test_rows_as_they_come_from_json_give_the_same_predictions(
    model: Pipeline, held_out: pd.DataFrame
) -> None:
    rows = held_out[[*TRAINING_COLUMNS]].head(500)
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
def test_a_category_that_is_new_or_missing_is_treated_as_missing(
    model: Pipeline, held_out: pd.DataFrame, unknown: object
) -> None:
    row = held_out.head(1).astype(object)
    missing = model.predict(row.assign(carrier=None))
    changed = row.assign(carrier=pd.Series([unknown], index=row.index, dtype=object))
    np.testing.assert_array_equal(model.predict(changed), missing)
    assert model.predict(row) != missing


def test_columns_become_doubles_in_a_fixed_order_with_nan_for_what_is_not_known() -> None:
    columns = TypedColumns(["engine"], ["seats"])
    columns.fit(pd.DataFrame({"seats": [2, 3, 4], "engine": ["piston", None, "jet"]}))
    matrix = columns.transform(
        pd.DataFrame({"seats": [7, None, 9], "engine": ["piston", "rocket", None]}, dtype=object)
    )
    np.testing.assert_array_equal(matrix, [[1.0, 7.0], [np.nan, np.nan], [np.nan, 9.0]])
    assert columns.get_feature_names_out().tolist() == ["engine", "seats"]


def test_a_row_of_which_nothing_is_known_still_has_a_probability(model: Pipeline) -> None:
    nothing = pd.DataFrame({column: [None] for column in TRAINING_COLUMNS})
    assert 0 < model.predict(nothing)[0] < 1


def test_a_missing_column_is_named(model: Pipeline, held_out: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"needs the columns \['pressure'\].*fe\.score_batch"):
        model.predict(held_out.drop(columns="pressure"))


def test_a_number_that_is_none_is_refused(model: Pipeline, held_out: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="windy"):
        model.predict(held_out.head(1).assign(wind_speed="windy"))


@pytest.mark.parametrize(
    "labels", [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 2.0], [0.0, 1.0, np.nan]], ids=str
)
def test_labels_other_than_zero_and_one_are_refused(
    held_out: pd.DataFrame, labels: list[float]
) -> None:
    with pytest.raises(ValueError, match="labels must be 0 and 1 with both present, got"):
        build_model(load_hyperparameters()).fit(held_out.head(3), labels)


def test_the_model_pickled_by_value_predicts_where_the_project_is_not_installed(
    model: Pipeline, held_out: pd.DataFrame, tmp_path: Path
) -> None:
    rows = held_out[[*TRAINING_COLUMNS]].head(20)
    cloudpickle.register_pickle_by_value(probability)
    try:
        (tmp_path / "model.pkl").write_bytes(cloudpickle.dumps(model))
    finally:
        cloudpickle.unregister_pickle_by_value(probability)
    (tmp_path / "rows.pkl").write_bytes(pickle.dumps(rows))
    program = f"""
import pathlib, pickle, sys
sys.modules[{probability.__name__.partition(".")[0]!r}] = None
folder = pathlib.Path(sys.argv[1])
model = pickle.loads((folder / "model.pkl").read_bytes())
print(*model.predict(pickle.loads((folder / "rows.pkl").read_bytes())).tolist())
"""
    answer = subprocess.run(
        [sys.executable, "-I", "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    np.testing.assert_array_equal([float(x) for x in answer.stdout.split()], model.predict(rows))


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
def test_the_rule_of_thumb_leans_on_the_route_then_the_origin_then_the_usual_share(
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
def test_hyperparameters_out_of_range_or_unknown_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        Hyperparameters.model_validate(load_hyperparameters().model_dump() | change)


EACH_POLICY = pytest.mark.parametrize("name", ["policy", "policy_small"])


@EACH_POLICY
def test_a_policy_judges_every_carrier_and_origin(name: str) -> None:
    policy = load_policy(name, PROBLEM.model_type)
    assert policy.validation.slice_columns == ["carrier", "origin"]
    assert "as_of" in policy.validation.required_tags


@EACH_POLICY
def test_a_policy_refuses_a_model_that_knows_nothing_and_one_that_knows_all(name: str) -> None:
    validation = load_policy(name, PROBLEM.model_type).validation
    assert validation.slices is not None
    auc, loss = validation.metrics["auc"].sides, validation.metrics["log_loss"].sides
    assert 0.95 > auc["max"] > auc["min"] > validation.slices.sides["min"] > 0.5
    assert loss["max"] < 0.693
