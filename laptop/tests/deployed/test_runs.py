import json
from typing import Any

from databricks.sdk import WorkspaceClient

from ..conftest import execute, results, until
from .conftest import Databricks

SLEEP = "import time; time.sleep(60)"


def run_of(databricks: Databricks, job: str) -> dict[str, Any]:
    """Return the newest run of a job of the bundle, with its tasks."""
    jobs = databricks.read("bundle", "summary")["resources"]["jobs"]
    runs = databricks.read("jobs", "list-runs", "--job-id", jobs[job]["id"], "--expand-tasks")
    newest: dict[str, Any] = runs[0]
    return newest


def test_a_run_shows_its_progress_and_what_its_tasks_printed(deployed: Databricks) -> None:
    shown = deployed.call("bundle", "run", "three", "--params", "said=bye")
    assert shown.status == 0, shown.err
    assert f"Run URL: {deployed.there.address}/jobs/" in shown.err
    assert '"[dev laptop] deployed three" TERMINATED SUCCESS' in shown.err
    assert "Task b:\ntook ['--value=bye']" in shown.out
    run = run_of(deployed, "three")
    assert run["job_parameters"] == [{"name": "said", "value": "bye"}]
    assert run["status"]["termination_details"]["code"] == "SUCCESS"
    assert run["end_time"] >= run["start_time"]
    second = run["tasks"][1]
    assert second["environment_key"] == "default"
    assert second["python_wheel_task"]["named_parameters"] == {"value": "{{tasks.a.values.x}}"}
    assert second["resolved_values"]["python_wheel_task"] == {"named_parameters": {"value": "bye"}}


def test_a_failed_task_is_told_with_its_error_and_exit_status_1(deployed: Databricks) -> None:
    shown = deployed.call("bundle", "run", "failing")
    assert shown.status == 1
    assert "INTERNAL_ERROR FAILED Failed: first." in shown.err
    told = shown.err[shown.err.index("Task first FAILED:") :].splitlines()
    assert told[1] == "RuntimeError: no rows at all"
    assert told[2] == "Traceback (most recent call last):"
    run = run_of(deployed, "failing")
    assert results(run) == {"first": "FAILED", "second": "UPSTREAM_FAILED"}
    details = run["status"]["termination_details"]
    assert (details["code"], details["message"]) == ("RUN_EXECUTION_ERROR", "Failed: first.")


def test_only_the_named_tasks_run(deployed: Databricks) -> None:
    deployed.succeed("bundle", "run", "failing", "--only", "second")
    assert results(run_of(deployed, "failing")) == {"second": "SUCCESS"}


def test_a_run_that_cannot_start_says_why(deployed: Databricks) -> None:
    shown = deployed.call("bundle", "run", "three", "--params", "sad=bye")
    assert shown.status == 1
    assert "no parameter 'sad'. There are: said." in shown.err


def test_what_runs_is_what_was_uploaded_not_what_lies_here(deployed: Databricks) -> None:
    tasks = deployed.toy.root / "src" / "toy" / "tasks.py"
    text = tasks.read_text()
    tasks.write_text(text.replace('print("took"', 'print("received"'))
    try:
        assert "took" in deployed.succeed("bundle", "run", "three")
        deployed.succeed("bundle", "deploy")
        assert "received" in deployed.succeed("bundle", "run", "three")
    finally:
        tasks.write_text(text)


def test_a_restart_cancels_what_runs_and_starts_anew(
    deployed: Databricks, client: WorkspaceClient
) -> None:
    spec = {"environment_version": "5", "dependencies": ["../dist/*.whl"]}
    slow = {
        "name": "deployed slow",
        "tasks": [execute("sleeps", SLEEP)],
        "environments": [{"environment_key": "default", "spec": spec}],
    }
    file = deployed.toy.root / "jobs" / "slow.yml"
    file.write_text(json.dumps({"resources": {"jobs": {"slow": slow}}}))
    deployed.succeed("bundle", "deploy")
    deployed.succeed("bundle", "run", "slow", "--no-wait")
    first = run_of(deployed, "slow")
    until(lambda: results(run_of(deployed, "slow")) == {"sleeps": "RUNNING"})
    deployed.succeed("bundle", "run", "slow", "--restart", "--no-wait")
    second = run_of(deployed, "slow")
    assert second["run_id"] != first["run_id"]
    ended = deployed.read("jobs", "get-run", str(first["run_id"]))
    assert ended["state"]["result_state"] == "CANCELED"
    deployed.succeed("jobs", "cancel-run", str(second["run_id"]))
    state = client.jobs.get_run(second["run_id"]).state
    assert state is not None
    assert str(state.result_state) == "RunResultState.CANCELED"
    file.unlink()
    deployed.succeed("bundle", "deploy")


def test_runs_are_listed_by_job_by_page_and_by_whether_they_have_ended(
    deployed: Databricks, client: WorkspaceClient
) -> None:
    for _ in range(3):
        deployed.succeed("bundle", "run", "failing", "--only", "second")
    job_id = run_of(deployed, "failing")["job_id"]
    listed = ("jobs", "list-runs", "--job-id", str(job_id))
    ids = [run["run_id"] for run in deployed.read(*listed)]
    assert ids == sorted(ids, reverse=True)
    assert ids == [run.run_id for run in client.jobs.list_runs(job_id=job_id, limit=1)]
    assert [run["run_id"] for run in deployed.read(*listed, "--limit", "1")] == ids[:1]
    assert [run["run_id"] for run in deployed.read(*listed, "--completed-only")] == ids
    assert deployed.read(*listed, "--active-only") == []
    assert "tasks" not in deployed.read(*listed)[0]
