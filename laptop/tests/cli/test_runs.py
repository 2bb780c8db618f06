import json
from pathlib import Path
from typing import Any

from databricks.sdk import WorkspaceClient

from ..conftest import Jobs, execute, results, until
from .conftest import Databricks

SLEEP = "import time; time.sleep(600)"


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
    assert "Task b:\ntook ['--value=bye', '--said=bye']" in shown.out
    run = run_of(deployed, "three")
    assert run["job_parameters"] == [{"name": "said", "value": "bye"}]
    assert run["status"]["termination_details"]["code"] == "SUCCESS"
    assert run["end_time"] >= run["start_time"]
    second = run["tasks"][1]
    assert second["environment_key"] == "default"
    assert second["python_wheel_task"]["named_parameters"] == {"value": "{{tasks.a.values.x}}"}
    named = {"value": "bye", "said": "bye"}
    assert second["resolved_values"]["python_wheel_task"] == {"named_parameters": named}


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


def test_a_run_is_repaired_and_waited_for(
    databricks: Databricks, jobs: Jobs, tmp_path: Path
) -> None:
    code = f"open({str(tmp_path / 'there')!r})"
    run_id = jobs.run(execute("first", code), execute("second", "", "first"))["run_id"]
    (tmp_path / "there").touch()

    run = databricks.read("jobs", "repair-run", str(run_id), "--rerun-all-failed-tasks")

    assert (run["run_id"], run["state"]["result_state"]) == (run_id, "SUCCESS")
    shown = databricks.read("jobs", "get-run", str(run_id), "--include-history")
    assert [item["type"] for item in shown["repair_history"]] == ["ORIGINAL", "REPAIR"]


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


def test_conditions_loops_and_other_jobs_run_as_the_bundle_declares_them(
    deployed: Databricks,
) -> None:
    spec = {"environment_version": "5", "dependencies": ["../dist/*.whl"]}
    environments = [{"environment_key": "default", "spec": spec}]
    three = {"job_id": "${resources.jobs.three.id}", "job_parameters": {"said": "{{job.run_id}}"}}
    load = execute("load", "import sys; print('loads', sys.argv[2])")
    load["python_wheel_task"]["parameters"].append("{{input.month}}")
    inputs = json.dumps([{"month": "jan"}, {"month": "feb"}])
    said = {"left": "{{job.parameters.go}}", "op": "EQUAL_TO", "right": "yes"}
    tasks = [
        {"task_key": "go", "condition_task": said},
        {
            "task_key": "call",
            "depends_on": [{"task_key": "go", "outcome": "true"}],
            "run_job_task": three,
        },
        {
            "task_key": "each",
            "depends_on": [{"task_key": "go", "outcome": "false"}],
            "for_each_task": {"inputs": inputs, "concurrency": 2, "task": load},
        },
    ]
    flow = {"name": "deployed flow", "tasks": tasks, "environments": environments}
    flow["parameters"] = [{"name": "go", "default": "no"}]
    file = deployed.toy.root / "jobs" / "flow.yml"
    file.write_text(json.dumps({"resources": {"jobs": {"flow": flow}}}))
    deployed.succeed("bundle", "validate", "--strict")
    deployed.succeed("bundle", "deploy")
    deployed.succeed("bundle", "run", "flow")
    run = run_of(deployed, "flow")
    assert results(run) == {"go": "SUCCESS", "call": "EXCLUDED", "each": "SUCCESS"}
    tasks_by_key = {task["task_key"]: task for task in run["tasks"]}
    assert tasks_by_key["go"]["condition_task"]["outcome"] == "false"
    stats = tasks_by_key["each"]["for_each_task"]["stats"]["task_run_stats"]
    assert (stats["total_iterations"], stats["succeeded_iterations"]) == (2, 2)
    own = deployed.read("jobs", "get-run", str(tasks_by_key["each"]["run_id"]))
    logs = [
        deployed.read("jobs", "get-run-output", str(each["run_id"]))["logs"]
        for each in own["iterations"]
    ]
    assert logs == ["loads jan\n", "loads feb\n"]
    deployed.succeed("bundle", "run", "flow", "--params", "go=yes")
    run = run_of(deployed, "flow")
    assert results(run) == {"go": "SUCCESS", "call": "SUCCESS", "each": "EXCLUDED"}
    (called,) = (task["run_id"] for task in run["tasks"] if task["task_key"] == "call")
    output = deployed.read("jobs", "get-run-output", str(called))["run_job_output"]
    child = deployed.read("jobs", "get-run", str(output["run_id"]))
    assert child["job_parameters"] == [{"name": "said", "value": str(run["run_id"])}]
    file.unlink()
    deployed.succeed("bundle", "deploy")


def test_a_run_that_there_is_no_room_for_is_shown_as_skipped(deployed: Databricks) -> None:
    spec = {"environment_version": "5", "dependencies": ["../dist/*.whl"]}
    full = {
        "name": "deployed full",
        "tasks": [execute("sleeps", SLEEP)],
        "environments": [{"environment_key": "default", "spec": spec}],
        "max_concurrent_runs": 1,
        "queue": {"enabled": False},
    }
    file = deployed.toy.root / "jobs" / "full.yml"
    file.write_text(json.dumps({"resources": {"jobs": {"full": full}}}))
    deployed.succeed("bundle", "deploy")
    deployed.succeed("bundle", "run", "full", "--no-wait")
    first = run_of(deployed, "full")
    shown = deployed.call("bundle", "run", "full")
    deployed.succeed("jobs", "cancel-run", str(first["run_id"]))
    file.unlink()
    deployed.succeed("bundle", "deploy")
    assert shown.status == 1
    assert "run skipped: 1 of '[dev laptop] deployed full' may run at once" in shown.err
