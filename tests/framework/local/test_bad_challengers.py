"""Challengers that predict differently when served change neither endpoint nor alias."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from flight_delays.lakehouse.endpoint import endpoint_name

from tests.conftest import MODEL, SCHEMA, Laptop

ENDPOINT = endpoint_name(MODEL)

# Classes of planted models, and the expected text in deploy's reason.
KINDS = {
    "Strings": "answered ['",
    "Slow": "ms for one row",
    "Forgetful": "features are all missing",
    "Strict": "unseen categories",
}

# The Champion's model, with one fault.
PLANT = f"""
import json
import threading
import time
from collections import Counter
from functools import partial

import mlflow
import numpy as np
from databricks.sdk import WorkspaceClient
from sklearn.base import BaseEstimator

from flight_delays.config.policy import load_policy
from flight_delays.lakehouse.served_version import as_records
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.errors import LakehouseError
from flight_delays.lakehouse.model_logging import log_model
from flight_delays.lakehouse.registry import read_version
from flight_delays.lakehouse.model_process import RAW_MODEL
from flight_delays.problem import PROBLEM
from flight_delays.tasks import deploy
from flight_delays.tasks.holdout import load_holdout, score_holdout
from flight_delays.tasks.parameters import in_schema

MODEL, SCHEMA, ENDPOINT = {MODEL!r}, {SCHEMA!r}, {ENDPOINT!r}
NUMBERS, TEXTS = list(PROBLEM.numerical_columns), list(PROBLEM.categorical_columns)

class Faulty(BaseEstimator):
    def __init__(self, model):
        self.model = model

class Strings(Faulty):
    def predict(self, rows):
        return self.model.predict(rows).astype(str)

class Slow(Faulty):
    def predict(self, rows):
        time.sleep(1.1)
        return self.model.predict(rows)

class Forgetful(Faulty):
    def predict(self, rows):
        return np.where(rows[NUMBERS].isna().all(axis=1), np.nan, self.model.predict(rows))

class Strict(Faulty):
    def predict(self, rows):
        if (rows[TEXTS] == "never seen before").any(axis=None):
            raise ValueError("an unknown category")
        return self.model.predict(rows)

lakehouse = Lakehouse()
champion = read_version(lakehouse.registry, MODEL, 1)
policy = load_policy("policy_small", PROBLEM.model_type)
holdout = load_holdout(champion.require_as_of(), policy, SCHEMA, lakehouse)
# What each was judged by: before the endpoint is asked, batch has to predict the same.
held_out = score_holdout(champion, holdout, policy, SCHEMA, lakehouse)
folder = mlflow.artifacts.download_artifacts(champion.uri)
sound = mlflow.sklearn.load_model(f"{{folder}}/{{RAW_MODEL}}")
qualify = partial(in_schema, SCHEMA)
label = PROBLEM.label.column
training_set = lakehouse.feature_store.create_training_set(
    df=lakehouse.spark.createDataFrame(held_out[[*PROBLEM.columns, label]].head(10)),
    feature_lookups=PROBLEM.look_ups(qualify), label=label,
    exclude_columns=list(PROBLEM.metadata_columns),
)

answered_by, faults, done = Counter(), [], threading.Event()

def ask_as_users():
    workspace = WorkspaceClient()
    records = as_records(held_out[list(PROBLEM.columns)].tail(1))
    while not done.wait(0.02):
        try:
            answer = workspace.serving_endpoints.query(ENDPOINT, dataframe_records=records)
            answered_by[answer.served_model_name] += 1
        except Exception as error:
            faults.append(str(error))

mlflow.set_experiment("/Shared/planted")
# A daemon, so that an error below ends the process.
users = threading.Thread(target=ask_as_users, daemon=True)
users.start()
said = {{}}
for kind in (Strings, Slow, Forgetful, Strict):
    with mlflow.start_run():
        uri = log_model(
            lakehouse.feature_store, kind(sound), training_set, PROBLEM.modules_by_value,
            PROBLEM.requirements,
        )
    number = int(mlflow.register_model(uri, MODEL).version)
    challenger = read_version(lakehouse.registry, MODEL, number)
    try:
        deploy.promote(challenger, champion, held_out, SCHEMA, lakehouse)
        message = "promoted"
    except LakehouseError as error:
        message = str(error)
    tags = read_version(lakehouse.registry, MODEL, number).tags
    said[kind.__name__] = [message, tags.get("decision"), tags.get("decision_reason")]
done.set()
users.join()
print(json.dumps([said, answered_by, faults]))
"""


@dataclass(frozen=True)
class Outcome:
    """Outcome of the planted Challengers.

    Attributes:
        said: Error of deploy, and decision and reason of the version, by kind.
        answered_by: Number of concurrent user requests answered by each served entity.
        faults: Failed user requests.
        before: Endpoints and aliases before.
        after: Endpoints and aliases afterwards.
    """

    said: dict[str, list[str]]
    answered_by: dict[str, int]
    faults: list[str]
    before: tuple[Any, Any]
    after: tuple[Any, Any]


@pytest.fixture(scope="module")
def outcome(trained: Laptop) -> Outcome:
    before = read_standing(trained)
    printed = trained.execute(PLANT)
    said, answered_by, faults = json.loads(printed.splitlines()[-1])
    return Outcome(said, answered_by, faults, before, read_standing(trained))


def read_standing(laptop: Laptop) -> tuple[Any, Any]:
    """Return the served entities of endpoints, and the Champion."""
    status = laptop.status()
    champions = [
        (model["name"], version["version"])
        for model in status["models"]
        for version in model["versions"]
        if "Champion" in version["aliases"]
    ]
    return status["endpoints"], champions


@pytest.mark.parametrize("kind", KINDS)
def test_bad_challenger_is_refused_with_its_fault(outcome: Outcome, kind: str) -> None:
    message, decision, reason = outcome.said[kind]
    assert KINDS[kind] in message
    assert decision == "reject"
    assert KINDS[kind] in reason


def test_endpoint_and_alias_are_as_they_were(outcome: Outcome) -> None:
    assert outcome.after == outcome.before


def test_requests_sent_meanwhile_are_answered_by_the_champion_alone(outcome: Outcome) -> None:
    assert outcome.faults == []
    assert list(outcome.answered_by) == [f"{MODEL.rpartition('.')[2]}-1"]
    assert outcome.answered_by[f"{MODEL.rpartition('.')[2]}-1"] > 100
