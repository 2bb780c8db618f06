"""The monitoring loop on little data: predictions are assessed and trigger a training."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient

from flight_delays.config.serving import load_serving
from flight_delays.lakehouse.endpoint import endpoint_name
from flight_delays.problem import PROBLEM

from tests.conftest import MODEL, SCHEMA, Laptop, open_copy
from tests.problem.instants import EARLIER, FIRST

LABELLED = f"{SCHEMA}.inference_log_labelled"
HEALTH = f"SELECT verdict, reason, figures, job_run FROM {SCHEMA}.model_health ORDER BY assessed_at"
MONITOR = f"""
from databricks.sdk import WorkspaceClient
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.tasks import monitor

asked = []
class Counted(WorkspaceClient):
    @property
    def data_quality(self):
        class Service:
            def __getattr__(_, name):
                asked.append(name)
                return getattr(super(Counted, self).data_quality, name)
        return Service()

lakehouse = Lakehouse()
lakehouse.workspace = Counted()
monitor.run(
    monitor.MonitorParameters(model="{MODEL}", target="{SCHEMA}", policy="POLICY"), lakehouse
)
print(",".join(sorted(set(asked))))
"""

WATERMARKS = f"{SCHEMA}.watermarks"
LOG = f"{SCHEMA}.inference_log"
AT = PROBLEM.spine.decision_at
TIMED = [table for table in PROBLEM.feature_tables if table.timeseries_column]
LOOKED_UP = TIMED[0].numerical[0]
LATE = datetime.fromisoformat(FIRST) + TIMED[0].fresh_within + timedelta(seconds=1)
# Rows decided days before the online features were published.
ASK = f"""
import time
from functools import partial
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.served_version import as_records
from flight_delays.lakehouse.endpoint import endpoint_name
from flight_delays.problem import PROBLEM
from flight_delays.spec.selection import select_rows
from flight_delays.spec.windows import Interval
from flight_delays.tasks import collect
from flight_delays.tasks.parameters import in_schema, read_instant

lakehouse = Lakehouse()
days = Interval(read_instant("{EARLIER}"), read_instant("{FIRST}"))
rows = select_rows(lakehouse.spark, PROBLEM, partial(in_schema, "{SCHEMA}"), days)
records = as_records(rows.limit(250).toPandas())

def count_payloads():
    return lakehouse.spark.table("{SCHEMA}.endpoint_payload").count()

before = count_payloads()
lakehouse.workspace.serving_endpoints.query("{endpoint_name(MODEL)}", dataframe_records=records)
# The request is logged after its answer.
deadline = time.monotonic() + 60
while count_payloads() == before:
    assert time.monotonic() < deadline
    time.sleep(0.1)
collect.run(collect.CollectParameters.parse([
    "--model={MODEL}", "--source={SCHEMA}", "--target={SCHEMA}", "--policy=policy_small",
    "--as_of={FIRST}", "--collected_at=",
]), lakehouse)
"""
# Batch rows with look-ups as in training, logged as an endpoint's; then with planted faults.
PLANTED = {
    "sound": "",
    "zone": f"{AT} + INTERVAL '1' HOUR AS {AT}",
    "null": f"CAST(NULL AS DOUBLE) AS {LOOKED_UP}",
    "digit": f"{LOOKED_UP} * (1 + 1e-9) AS {LOOKED_UP}",
    "ahead": "",  # decisions later than the feature tables
    "keyless": f"CAST(NULL AS STRING) AS {next(iter(PROBLEM.keys))}",
}
COMPARE = f"""
import json
from datetime import UTC, datetime, timedelta
from flight_delays.config.monitoring import load_monitoring
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.endpoint import endpoint_name
from flight_delays.problem import PROBLEM
from flight_delays.tasks.freshness import measure_skew

lakehouse, found = Lakehouse(), {{}}
policy = load_monitoring("monitoring", PROBLEM.model_type)
now = datetime.now(UTC)
for name, change in {PLANTED!r}.items():
    listed = [
        change if change.endswith(" AS " + column) else column
        for column in lakehouse.spark.table("{LOG}").columns
        if column not in ("source", "features_from", "scored_at")
    ]
    lakehouse.spark.sql(
        f"CREATE TABLE {SCHEMA}.{{name}} AS SELECT 'endpoint' AS source, 'trace' AS features_from, "
        f"TIMESTAMP '{{now - timedelta(minutes=5)}}' AS scored_at, {{', '.join(listed)}} "
        f"FROM {LOG} WHERE source = 'batch' AND {AT} {{'>=' if name == 'ahead' else '<'}} '{FIRST}'"
    )
    windows = measure_skew("{SCHEMA}." + name, "{SCHEMA}", policy, now, lakehouse)
    found[name] = [[window.rows, window.value, window.note] for window in windows]
    lakehouse.spark.sql("DROP TABLE {SCHEMA}." + name)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory, trained_state: Path) -> Iterator[Laptop]:
    """Yield a separate workspace in which the model in use was assessed once."""
    with open_copy(trained_state, tmp_path_factory.mktemp("monitored")) as laptop:
        laptop.succeed("monitoring", FIRST)
        yield laptop


def runs_of(laptop: Laptop, job: str) -> int:
    environment = laptop.environment()
    workspace = WorkspaceClient(
        host=environment["DATABRICKS_HOST"], token=environment["DATABRICKS_TOKEN"]
    )
    (found,) = (
        each.job_id
        for each in workspace.jobs.list()
        if each.settings and (each.settings.name or "").endswith(job)
    )
    return sum(1 for _ in workspace.jobs.list_runs(job_id=found))


def test_first_assessment_of_a_sound_model_starts_nothing(monitored: Laptop) -> None:
    (found,) = monitored.sql(HEALTH)
    assert found["verdict"] in {"Healthy", "Watch"}, found["reason"]
    figures = {each["signal"]: each for each in json.loads(found["figures"])}
    drifts = [name for name in figures if name.startswith("drift of ")]
    assert len(drifts) > len(PROBLEM.feature_columns) / 2
    assert {figures[name]["state"] for name in drifts} <= {"within", "over", "pending"}
    assert runs_of(monitored, "model_training") == 1
    (rows,) = monitored.sql(
        f"SELECT count(DISTINCT model_version) AS versions, count(*) AS n "
        f"FROM {SCHEMA}.inference_log_baseline"
    )
    assert (rows["versions"], rows["n"] > 1000) == (1, True)


@pytest.fixture
def late(monitored: Laptop) -> Iterator[dict[str, Any]]:
    """Yield a verdict on outdated features, and on requests answered with other features."""
    kept, lost = (table.name for table in PROBLEM.feature_tables if table not in TIMED)
    whole = monitored.sql(f"SELECT step, table_name, as_of FROM {WATERMARKS}")
    monitored.sql(
        f"UPDATE {WATERMARKS} SET as_of = TIMESTAMP '{EARLIER}' "
        f"WHERE step = 'publish' AND table_name = '{kept}'"
    )
    monitored.sql(f"DELETE FROM {WATERMARKS} WHERE step = 'publish' AND table_name = '{lost}'")
    monitored.execute(ASK)
    done = monitored.run("monitoring", LATE.isoformat(), "--only", "assess")
    assert done.returncode == 0, done.stdout + done.stderr
    found = monitored.sql(HEALTH)[-1]
    yield found | {each["signal"]: each for each in json.loads(found["figures"])}
    values = (f"('{w['step']}', '{w['table_name']}', TIMESTAMP '{w['as_of']}')" for w in whole)
    monitored.sql(f"INSERT OVERWRITE {WATERMARKS} VALUES {', '.join(values)}")
    for table in (LOG, LABELLED):
        monitored.sql(f"DELETE FROM {table} WHERE source = 'endpoint'")
    monitored.sql(f"DELETE FROM {SCHEMA}.endpoint_payload WHERE client_request_id IS NULL")


@pytest.mark.skipif(not load_serving().endpoint, reason="there is no endpoint")
def test_features_that_are_too_old_or_others_than_training_uses_are_stale(
    late: dict[str, Any],
) -> None:
    kept, lost = (table.name for table in PROBLEM.feature_tables if table not in TIMED)
    states = {each["signal"]: each["state"] for each in late.values() if isinstance(each, dict)}
    assert {name for name, state in states.items() if state == "over"} >= {
        *(f"age of {table.name}" for table in TIMED),
        *(f"age of {table.name} online" for table in TIMED),
        f"age of {kept} online",
        "skew of requests",
    }
    assert states[f"age of {kept}"] == states[f"age of {lost}"] == "within"
    assert states[f"age of {lost} online"] == "missing"
    assert late["verdict"] == "Stale"
    allowed = f"{TIMED[0].fresh_within} allowed, computed as of {FIRST} 00:00:00 UTC"
    assert f"age of {TIMED[0].name}" in late["reason"]
    assert f"0:01 old, {allowed}" in late["reason"]
    assert "run feature_refresh" in late["reason"]
    assert late["skew of requests"]["value"] > 0.9


def test_of_features_as_training_looks_them_up_none_differs_and_planted_ones_do(
    monitored: Laptop,
) -> None:
    found = json.loads(monitored.execute(COMPARE).splitlines()[-1])
    assert {name: len(windows) for name, windows in found.items()} == {
        name: int(name not in ("ahead", "keyless")) for name in PLANTED
    }
    ((rows, share, note),) = found["sound"]
    assert (share, note) == (0, "")
    assert 200 < rows <= 1000
    for name, column in (("zone", AT), ("null", LOOKED_UP), ("digit", LOOKED_UP)):
        ((_, share, note),) = found[name]
        assert share > 0.9
        assert note.startswith(f"{column} in ")


def test_a_monitor_is_changed_only_where_its_configuration_differs(monitored: Laptop) -> None:
    same = monitored.execute(MONITOR.replace("POLICY", "policy_small")).splitlines()[-1]
    assert same == "create_refresh,get_monitor,get_refresh,list_refresh"
    monitored.execute(
        MONITOR.replace("POLICY", "policy_small").replace(
            "lakehouse = Lakehouse()",
            "lakehouse = Lakehouse()\nmonitor.write_cost = lambda policy: 'avg(0.5)'",
        )
    )
    (found,) = monitored.sql(
        f"SELECT max(cost) AS cost FROM {LABELLED}_profile_metrics WHERE column_name = ':table' "
        "AND log_type = 'INPUT'"
    )
    assert found["cost"] == 0.5
    again = monitored.execute(MONITOR.replace("POLICY", "policy_small"))
    assert "custom_metrics changed" in again
    assert "update_monitor" in again.splitlines()[-1]


def test_figures_of_an_earlier_configuration_are_passed_over(monitored: Laptop) -> None:
    printed = monitored.execute(f"""
from databricks.sdk.runtime import spark
from pyspark.sql import functions as F
from flight_delays.lakehouse.measurements import read_drift, read_profile

profile, drift = "{LABELLED}_profile_metrics", "{LABELLED}_drift_metrics"
column = {PROBLEM.numerical_columns[0]!r}

def read():
    return (read_profile(spark, profile, "*", "week", [column]),
            read_drift(spark, drift, "*", "week", {{column: "ks_test"}}))

before = read()
for table in (profile, drift):
    former = spark.table(table).withColumn("monitor_version", F.lit(-1).cast("bigint"))
    former.write.mode("append").saveAsTable(table)
print(all(each.get(column) for each in (before[0][0], before[1])), read() == before)
for table in (profile, drift):
    spark.sql(f"DELETE FROM {{table}} WHERE monitor_version = -1")
""")
    assert printed.split() == ["True", "True"]


def assess_again(laptop: Laptop) -> str:
    """Assess as a killed and retried run, and return the verdict."""
    done = laptop.run("monitoring", FIRST, "--only", "assess")
    assert done.returncode == 0, done.stdout + done.stderr
    return str(laptop.sql(HEALTH)[-1]["verdict"])


def test_a_model_that_fails_is_retrained_once_and_its_successor_says_why(
    monitored: Laptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if a feature had changed its meaning: confident but wrong predictions.
    monitored.sql(f"UPDATE {LABELLED} SET score = 1 - score")
    assert assess_again(monitored) == "Watch"
    assert "less than the cool-down" in monitored.sql(HEALTH)[-1]["reason"]
    assert runs_of(monitored, "model_training") == 1
    later = datetime.now(UTC) + timedelta(days=5)
    monkeypatch.setenv("LAPTOP_NOW", later.isoformat())
    monitored.succeed("monitoring", FIRST)
    newest = monitored.sql(HEALTH)[-1]
    assert newest["verdict"] == "Retrain"
    assert "calibration_error" in newest["reason"]
    assert runs_of(monitored, "model_training") == 2
    (model,) = (each for each in monitored.status()["models"] if each["name"] == MODEL)
    reasons = {each["version"]: each["tags"]["reason"] for each in model["versions"]}
    assert reasons[1] == "scheduled"
    assert newest["reason"].startswith(reasons[2][:100])
    assert assess_again(monitored) != "Retrain"
    assert runs_of(monitored, "model_training") == 2


def test_what_cannot_be_measured_is_blind_and_starts_nothing(
    monitored: Laptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Later, because a model younger than a window may lack data.
    later = datetime.now(UTC) + timedelta(days=15)
    monkeypatch.setenv("LAPTOP_NOW", later.isoformat())
    # With perfect scores no training is triggered, on any weekday at which the scores end.
    monitored.sql(f"UPDATE {LABELLED} SET score = coalesce(label, score)")
    monitored.sql(f"DROP TABLE {LABELLED}_drift_metrics")
    assert assess_again(monitored) == "Blind"
    figures = json.loads(monitored.sql(HEALTH)[-1]["figures"])
    missing = {each["signal"] for each in figures if each["state"] == "missing"}
    assert "drift of the score" in missing
    # A run has one verdict, regardless of retries.
    runs = [row["job_run"] for row in monitored.sql(HEALTH)]
    assert len(runs) == len(set(runs))
