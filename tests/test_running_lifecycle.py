"""The jobs as the bundle declares them, on January's flights: what they leave, and what not."""

import json
import subprocess
import sys
from typing import Any

import pytest
from laptop.features.errors import FeatureError
from laptop.features.online import OnlineStore

from flight_delays.lakehouse.endpoint import name_endpoint
from flight_delays.problem.features import FEATURE_TABLES
from flight_delays.problem.serving import load_serving

from tests.conftest import MODEL, SCHEMA, Laptop
from tests.declared import ROOT

pytestmark = pytest.mark.slow

ENDPOINT = name_endpoint(MODEL)


def version_of(laptop: Laptop, number: int) -> dict[str, Any]:
    models = {model["name"]: model["versions"] for model in laptop.status()["models"]}
    return next(version for version in models[MODEL] if version["version"] == number)


def is_published(laptop: Laptop, table: str) -> bool:
    store = OnlineStore(laptop.home.path)
    try:
        store.find(table, ())
    except FeatureError:
        return False
    finally:
        store.close()
    return True


def test_first_model_is_validated_and_promoted(january: Laptop) -> None:
    version = version_of(january, 1)
    assert sorted(version["aliases"]) == ["Challenger", "Champion"]
    assert version["tags"]["model_validation_status"] == "PASSED"
    assert version["tags"]["decision"] == "promote"
    assert "held-out rows in 7 blocks" in version["tags"]["decision_reason"]
    assert version["tags"]["previous_champion"] == "none"
    assert version["tags"]["as_of"] == "2013-02-01T00:00:00+00:00"


def test_endpoint_and_online_tables_stand_if_they_are_asked_for(january: Laptop) -> None:
    asked = load_serving().endpoint
    standing = [endpoint["name"] for endpoint in january.status()["endpoints"]]
    assert standing == ([ENDPOINT] if asked else [])
    published = [is_published(january, f"{SCHEMA}.{table.name}") for table in FEATURE_TABLES]
    assert published == [asked] * len(FEATURE_TABLES)


def test_batch_inference_scores_every_flight_once_and_only_once(january: Laptop) -> None:
    january.succeed("batch_inference", "2013-02-01")
    (found,) = january.sql(
        "SELECT count(*) AS rows, count(DISTINCT time_hour, carrier, flight, origin) AS flights, "
        "min(prediction) AS lowest, max(prediction) AS highest, max(model_version) AS version, "
        f"(SELECT count(*) FROM {SCHEMA}.flights WHERE decision_at >= '2013-01-25T00:00:00Z') "
        f"AS known FROM {SCHEMA}.predictions"
    )
    assert found["rows"] == found["flights"] == found["known"]
    assert 0 <= float(found["lowest"]) < float(found["highest"]) <= 1
    assert found["version"] == "1"


@pytest.mark.parametrize(
    ("job", "parameters", "says"),
    [
        ("model_training", "as_off=2013-02-01", "no parameter 'as_off'. There are: as_of, policy"),
        ("feature_refresh", "as_of=yesterday", "must be an ISO date or timestamp in UTC"),
        ("feature_refresh", "shift_days=7", "364"),
        ("model_training", "policy=lenient", "policy_small"),
        ("training", "as_of=2013-02-01", "batch_inference, feature_refresh, model_training"),
        ("model_training", "as_of=2012-02-01", "feature_refresh"),
    ],
)
def test_bad_input_is_told_what_is_allowed(
    january: Laptop, job: str, parameters: str, says: str
) -> None:
    done = january.call("run", job, "--params", parameters)
    assert done.returncode == 1
    assert says in done.stdout + done.stderr


SCORES = """
import json
import mlflow
from databricks.sdk.runtime import spark
from databricks.feature_engineering import FeatureEngineeringClient
from flight_delays.lakehouse.scoring import predict_as_served
from flight_delays.problem.model import TRAINING_COLUMNS

model = {model!r}
rows = spark.sql("SELECT * FROM {schema}.flights ORDER BY decision_at DESC LIMIT 20")
batch = FeatureEngineeringClient().score_batch(model_uri=f"models:/{{model}}@Champion", df=rows)
batch = batch.toPandas()
raw = predict_as_served(f"models:/{{model}}/1", batch[list(TRAINING_COLUMNS)])
signature = mlflow.models.get_model_info(f"models:/{{model}}/1").signature
print(json.dumps([batch["prediction"].tolist(), raw.tolist(),
                  signature.outputs.to_dict(), sorted(signature.inputs.required_input_names())]))
"""


def test_batch_and_raw_model_return_one_double_a_row(january: Laptop) -> None:
    printed = january.execute(SCORES.format(model=MODEL, schema=SCHEMA))
    batch, raw, outputs, inputs = json.loads(printed.splitlines()[-1])
    assert raw == pytest.approx(batch, abs=1e-12)
    assert len(batch) == 20
    assert all(isinstance(value, float) and 0 <= value <= 1 for value in batch)
    assert [output["type"] for output in outputs] == ["double"]
    assert inputs == [
        "carrier", "decision_at", "dest", "flight", "origin", "tailnum", "time_hour",
    ]  # fmt: skip


def test_dbutils_whose_task_values_reach_nobody_is_refused(january: Laptop) -> None:
    environment = january.environment()
    del environment["PYTHONPATH"]
    code = "from flight_delays.lakehouse.context import Lakehouse; Lakehouse()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment, cwd=ROOT / "tests", capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert "A task needs the dbutils of a Databricks Runtime" in done.stderr
