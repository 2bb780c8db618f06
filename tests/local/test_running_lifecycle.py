"""The jobs of the bundle and their results, on a small sample."""

import json
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from laptop.features.errors import FeatureError
from laptop.features.online import OnlineStore

from flight_delays.config.policy import load_policy
from flight_delays.config.serving import load_serving
from flight_delays.lakehouse.endpoint import endpoint_name
from flight_delays.problem import PROBLEM
from flight_delays.spec.problem import FEATURES_AT
from flight_delays.spec.windows import reach_batch
from flight_delays.tasks.parameters import read_instant

from tests.conftest import MODEL, SCHEMA, Laptop
from tests.declared import ROOT
from tests.problem.instants import FIRST

ENDPOINT = endpoint_name(MODEL)


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


def test_first_model_is_validated_and_promoted(trained: Laptop) -> None:
    version = version_of(trained, 1)
    assert sorted(version["aliases"]) == ["Challenger", "Champion"]
    assert version["tags"]["model_validation_status"] == "PASSED"
    assert version["tags"]["decision"] == "promote"
    assert "held-out rows, lower on " in version["tags"]["decision_reason"]
    assert version["tags"]["previous_champion"] == "none"
    assert version["tags"]["as_of"] == f"{FIRST}T00:00:00+00:00"


def test_validation_results_have_every_check(trained: Laptop) -> None:
    policy = load_policy("policy_small", PROBLEM.model_type).validation
    (found,) = trained.sql(
        "SELECT count(*) AS rows, count(DISTINCT check_name) AS checks, "
        "count_if(ok) AS holding, min(as_of) AS as_of, count(DISTINCT job_run) AS runs "
        f"FROM {SCHEMA}.validation_results WHERE model_name = '{MODEL}' AND model_version = 1"
    )
    assert int(found["rows"]) == int(found["checks"]) == int(found["holding"]) > 10
    assert str(found["as_of"]).startswith(FIRST)
    assert int(found["runs"]) == 1
    (rows,) = trained.sql(
        f"SELECT value, threshold FROM {SCHEMA}.validation_results "
        "WHERE model_version = 1 AND check_name = 'rows'"
    )
    assert float(rows["threshold"]) == policy.min_rows <= float(rows["value"])


REPORT = """
import mlflow
client = mlflow.MlflowClient()
version = client.get_model_version({model!r}, "1")
print(mlflow.artifacts.load_text(version.tags["validation_report"]))
"""


def test_validation_report_is_at_tagged_path(trained: Laptop) -> None:
    page = trained.execute(REPORT.format(model=MODEL))
    assert f"Validation of {MODEL}, version 1" in page
    assert "Compared with the heuristic baseline" in page
    assert "Not compared" not in page


KEPT = """
import json
import mlflow
import pandas as pd
from flight_delays.config.policy import load_policy
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.model_logging import (
    FILE,
    PredictionsChangedError,
    write_predictions,
)
from flight_delays.lakehouse.registry import read_version
from flight_delays.problem import PROBLEM
from flight_delays.tasks.comparison import compare_predictions
from flight_delays.tasks.deploy import predict_held_out

lakehouse = Lakehouse()
policy = load_policy("policy_small", PROBLEM.model_type)
first = read_version(lakehouse.registry, {model!r}, 1)
kept = predict_held_out(first, None, policy, {schema!r}, lakehouse)
untagged = type(first)(**{{**vars(first), "tags": {{"as_of": first.tags["as_of"]}}}})
scored = predict_held_out(untagged, None, policy, {schema!r}, lakehouse)
same = compare_predictions(kept, policy) == compare_predictions(scored, policy)
write_predictions(lakehouse.registry, first, kept.assign(prediction=0.5))
try:
    predict_held_out(first, None, policy, {schema!r}, lakehouse)
    refusal = ""
except PredictionsChangedError as error:
    refusal = str(error)
write_predictions(lakehouse.registry, first, kept.assign(incumbent_version=9))
changed = read_version(lakehouse.registry, {model!r}, 1)
again = predict_held_out(changed, None, policy, {schema!r}, lakehouse)
write_predictions(lakehouse.registry, first, kept)
print(json.dumps([len(kept), same, refusal, bool((again["incumbent_version"] == 0).all())]))
"""


def test_deploy_compares_stored_predictions(trained: Laptop) -> None:
    rows, same, refusal, rescored = json.loads(
        trained.execute(KEPT.format(model=MODEL, schema=SCHEMA)).splitlines()[-1]
    )
    assert rows >= load_policy("policy_small", PROBLEM.model_type).validation.min_rows
    assert same
    assert "Run validate again" in refusal
    assert rescored, "those kept were compared with another incumbent"


AGAIN = """
from datetime import UTC, datetime
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.registry import read_version
from flight_delays.lakehouse.results import write_results
from flight_delays.promotion.checks import Check

lakehouse = Lakehouse()
version = read_version(lakehouse.registry, {model!r}, 1)
for run, names in (("a", "xyz"), ("b", "x"), ("a", "xy")):
    checks = [
        Check(name=name, value=None, threshold=1, ok=False, detail="it's off")
        for name in names
    ]
    write_results(
        lakehouse.spark,
        "{schema}.again",
        version,
        checks,
        job_run=run,
        judged_at=datetime.now(UTC),
    )
"""


def test_repeated_run_replaces_only_its_results(trained: Laptop) -> None:
    trained.execute(AGAIN.format(model=MODEL, schema=SCHEMA))
    found = trained.sql(f"SELECT job_run, check_name FROM {SCHEMA}.again ORDER BY 1, 2")
    assert [(row["job_run"], row["check_name"]) for row in found] == [
        ("a", "x"), ("a", "y"), ("b", "x"),
    ]  # fmt: skip


def test_endpoint_and_online_tables_exist_if_configured(trained: Laptop) -> None:
    asked = load_serving().endpoint
    standing = [endpoint["name"] for endpoint in trained.status()["endpoints"]]
    assert standing == ([ENDPOINT] if asked else [])
    tables = [f"{SCHEMA}.{table.name}" for table in PROBLEM.feature_tables]
    assert [is_published(trained, table) for table in tables] == [asked] * len(tables)


def test_batch_inference_is_idempotent(trained: Laptop) -> None:
    trained.succeed("batch_inference", FIRST)
    spine = PROBLEM.spine
    windows = load_policy("policy_small", PROBLEM.model_type).windows
    window = reach_batch(read_instant(FIRST), windows)
    assert window.end == read_instant(FIRST) + timedelta(hours=windows.ahead_hours)
    (found,) = trained.sql(
        f"SELECT count(*) AS rows, count(DISTINCT {', '.join(PROBLEM.keys)}) AS keys, "
        "min(prediction) AS lowest, max(prediction) AS highest, max(model_version) AS version, "
        f"(SELECT count(*) FROM {SCHEMA}.{spine.source} "
        f"WHERE {spine.decision_at} >= '{window.start.isoformat()}' "
        f"AND {spine.decision_at} < '{window.end.isoformat()}') AS known, "
        f"count_if({FEATURES_AT} <= '{FIRST}' AND {FEATURES_AT} <= {spine.decision_at}) AS dated "
        f"FROM {SCHEMA}.predictions"
    )
    assert int(found["rows"]) == int(found["keys"]) == int(found["known"]) > 0
    lowest, highest = float(found["lowest"]), float(found["highest"])
    assert lowest < highest
    assert PROBLEM.model_type.allows(lowest)
    assert PROBLEM.model_type.allows(highest)
    assert str(found["version"]) == "1"
    # Rows with a later decision look features up as of `as_of`.
    assert int(found["dated"]) == int(found["rows"])


def test_batch_inference_refuses_table_of_older_schema(
    trained: Laptop,
) -> None:
    predictions, aside = f"{SCHEMA}.predictions", f"{SCHEMA}.predictions_aside"
    keys = ", ".join(PROBLEM.keys)
    trained.sql(f"CREATE TABLE {aside} USING DELTA AS SELECT * FROM {predictions}")
    trained.sql(f"DROP TABLE {predictions}")
    trained.sql(f"CREATE TABLE {predictions} USING DELTA AS SELECT {keys} FROM {aside}")
    before = trained.sql(f"SELECT count(*) AS rows FROM {predictions}")
    done = trained.run("batch_inference", FIRST)
    after = trained.sql(f"SELECT count(*) AS rows FROM {predictions}")
    trained.sql(f"DROP TABLE {predictions}")
    trained.sql(f"CREATE TABLE {predictions} USING DELTA AS SELECT * FROM {aside}")
    trained.sql(f"DROP TABLE {aside}")
    assert done.returncode == 1
    printed = done.stdout + done.stderr
    assert f"Table {predictions} needs {PROBLEM.spine.decision_at} timestamp" in printed
    assert "then run batch_inference: it creates the table again" in printed
    assert before == after


@pytest.mark.parametrize(
    ("job", "parameters", "says"),
    [
        (
            "model_training",
            "as_off=2026-01-01",
            "There are: as_of, policy, reason",
        ),
        ("feature_refresh", "as_of=yesterday", "must be an ISO date or timestamp in UTC"),
        ("model_training", "policy=lenient", "policy_small"),
        ("model_training", "tune=yes", "'tune' is 'yes': must be true or false"),
        ("training", "as_of=2026-01-01", "model_comparison, model_training"),
        ("model_training", "as_of=1990-01-01", "feature_refresh"),
    ],
)
def test_invalid_parameter_message_lists_allowed_values(
    trained: Laptop, job: str, parameters: str, says: str
) -> None:
    done = trained.call("run", job, "--params", parameters)
    assert done.returncode == 1
    assert says in done.stdout + done.stderr


SCORES = """
import json
import mlflow
from databricks.sdk.runtime import spark
from databricks.feature_engineering import FeatureEngineeringClient
from flight_delays.spec.problem import FEATURES_AT
from flight_delays.lakehouse.model_process import ask_version
from flight_delays.promotion.answers import Question
from flight_delays.problem import PROBLEM

model = {model!r}
spine = PROBLEM.spine
rows = spark.sql(
    f"SELECT *, {{spine.decision_at}} AS {{FEATURES_AT}} FROM {schema}.{{spine.source}} "
    f"ORDER BY {{spine.decision_at}} DESC LIMIT 20"
)
batch = FeatureEngineeringClient().score_batch(model_uri=f"models:/{{model}}@Champion", df=rows)
batch = batch.toPandas()
question = Question(name="raw", rows=batch[list(PROBLEM.feature_columns)], as_json=True)
answers = ask_version(f"models:/{{model}}/1", [question], seconds_per_row=0.01)
raw = answers.given["raw"].values
signature = mlflow.models.get_model_info(f"models:/{{model}}/1").signature
print(json.dumps([batch["prediction"].tolist(), raw.tolist(),
                  signature.outputs.to_dict(), sorted(signature.inputs.required_input_names())]))
"""


def test_batch_and_raw_model_return_one_double_per_row(trained: Laptop) -> None:
    printed = trained.execute(SCORES.format(model=MODEL, schema=SCHEMA))
    batch, raw, outputs, inputs = json.loads(printed.splitlines()[-1])
    assert raw == pytest.approx(batch, abs=1e-12)
    assert len(batch) == 20
    assert all(isinstance(value, float) and PROBLEM.model_type.allows(value) for value in batch)
    assert [output["type"] for output in outputs] == ["double"]
    # Features are looked up as of `features_at`, so the model does not need `decision_at`; of the
    # keys it needs those that something is looked up by.
    looked_up_by = {key for table in PROBLEM.feature_tables for key in table.lookup_key}
    unused = {PROBLEM.spine.decision_at, *PROBLEM.keys} - {*PROBLEM.spine.features, *looked_up_by}
    assert set(inputs) == set(PROBLEM.columns) - unused


def test_dbutils_without_task_values_is_refused(trained: Laptop) -> None:
    environment = trained.environment()
    del environment["PYTHONPATH"]
    code = "from flight_delays.lakehouse.context import Lakehouse; Lakehouse()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment, cwd=ROOT / "tests", capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert "A task needs the dbutils of a Databricks Runtime" in done.stderr
