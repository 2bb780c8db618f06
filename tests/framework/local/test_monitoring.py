"""The loop, on little data: what was predicted is measured, judged, and leads to a training."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient

from flight_delays.problem import PROBLEM

from tests.conftest import MODEL, SCHEMA, Laptop, open_copy
from tests.problem.instants import FIRST

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


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory, trained_state: Path) -> Iterator[Laptop]:
    """Yield a workspace of its own in which the model in use was assessed once."""
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


def assess_again(laptop: Laptop) -> str:
    """Assess as a run does that was killed and repeated, and return the verdict."""
    done = laptop.run("monitoring", FIRST, "--only", "assess")
    assert done.returncode == 0, done.stdout + done.stderr
    return str(laptop.sql(HEALTH)[-1]["verdict"])


def test_a_model_that_fails_is_retrained_once_and_its_successor_says_why(
    monitored: Laptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if a feature had changed its meaning: the model is confident, and wrong.
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
    # Of a model that is younger than a window, nothing need be there yet.
    later = datetime.now(UTC) + timedelta(days=15)
    monkeypatch.setenv("LAPTOP_NOW", later.isoformat())
    monitored.sql(f"DROP TABLE {LABELLED}_drift_metrics")
    assert assess_again(monitored) == "Blind"
    figures = json.loads(monitored.sql(HEALTH)[-1]["figures"])
    missing = {each["signal"] for each in figures if each["state"] == "missing"}
    assert "drift of the score" in missing
    # A run has one verdict, however often its task is tried.
    runs = [row["job_run"] for row in monitored.sql(HEALTH)]
    assert len(runs) == len(set(runs))
