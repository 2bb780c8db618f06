from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, InvalidState
from databricks.sdk.errors import NotImplemented as NotBuilt
from databricks.sdk.service.jobs import RepairHistoryItemType, Run

from ...conftest import Jobs, execute, results, until

SET = "from databricks.sdk.runtime import dbutils; dbutils.jobs.taskValues.set('x', {})"
REPAIRS = ["{{job.repair_count}}", "{{task.execution_count}}", "{{task.retry_count}}"]


def needs(file: Path) -> str:
    """Return code that fails unless a file is there."""
    return f"open({str(file)!r}).close(); {SET.format(7)}"


def told(*words: str) -> dict[str, Any]:
    """Return the settings of a task that prints its command line."""
    return {"package_name": "toy", "entry_point": "take", "parameters": list(words)}


def start(jobs: Jobs, file: Path, **more: Any) -> tuple[int, dict[str, Any]]:
    """Run a job whose task `check` fails as long as a file is missing."""
    last = execute("last", "", "check") | {
        "python_wheel_task": told("{{tasks.first.values.x}}{{tasks.check.values.x}}", *REPAIRS)
    }
    tasks = [execute("first", SET.format(1)), execute("check", needs(file), "first"), last]
    job_id = jobs.create(*tasks, **more)
    run = jobs.finish(jobs.start(job_id))
    expected = {"first": "SUCCESS", "check": "FAILED", "last": "UPSTREAM_FAILED"}
    assert results(run) == expected
    return job_id, run


def attempts(run: dict[str, Any], key: str) -> list[tuple[int, str]]:
    return [
        (task["attempt_number"], task["state"]["result_state"])
        for task in run["tasks"]
        if task["task_key"] == key
    ]


def ended(client: WorkspaceClient, jobs: Jobs, run_id: int) -> tuple[dict[str, Any], Run]:
    """Return a run when it has ended, as it is sent and as the SDK shows it."""
    return jobs.finish(run_id), client.jobs.get_run(run_id, include_history=True)


def repair(client: WorkspaceClient, run_id: int, **fields: Any) -> int:
    """Repair a run, and return the repair's number."""
    response: Any = client.jobs.repair_run(run_id, **fields).response
    return int(response.repair_id)


def test_failed_tasks_and_those_that_they_held_up_run_again_in_the_same_run(
    client: WorkspaceClient, jobs: Jobs, tmp_path: Path
) -> None:
    _, first = start(jobs, tmp_path / "approved")
    (tmp_path / "approved").touch()

    repair_id = repair(client, first["run_id"], rerun_all_failed_tasks=True)

    run, shown = ended(client, jobs, first["run_id"])
    assert run["state"]["result_state"] == "SUCCESS"
    assert results(run) == {"first": "SUCCESS", "check": "SUCCESS", "last": "SUCCESS"}
    assert attempts(run, "first") == [(0, "SUCCESS")]
    assert attempts(run, "check") == [(0, "FAILED"), (1, "SUCCESS")]
    assert attempts(run, "last") == [(0, "UPSTREAM_FAILED"), (0, "SUCCESS")]
    last = client.jobs.get_run_output(run["tasks"][-1]["run_id"])
    assert (last.logs or "").splitlines() == ["took ['17', '1', '1', '0']"]
    history = shown.repair_history or []
    kinds = [RepairHistoryItemType.ORIGINAL, RepairHistoryItemType.REPAIR]
    assert [item.type for item in history] == kinds
    assert [item.id for item in history] == [None, repair_id]
    numbers = [task["run_id"] for task in run["tasks"]]
    assert [item.task_run_ids for item in history] == [numbers[:3], numbers[3:]]
    states = [item.state.result_state.value for item in history if item.state]  # type: ignore[union-attr]
    assert states == ["FAILED", "SUCCESS"]
    assert history[0].end_time == first["end_time"]
    assert shown.start_time == first["start_time"]
    assert not client.jobs.get_run(first["run_id"]).repair_history


def test_a_repair_names_the_one_before_it_and_takes_other_parameters(
    client: WorkspaceClient, jobs: Jobs, tmp_path: Path
) -> None:
    parameters = [{"name": "said", "default": "hello"}, {"name": "kept", "default": "k"}]
    task = execute("check", needs(tmp_path / "approved"), max_retries=1)
    after = execute("after", "", "check", run_if="ALL_DONE")
    after["python_wheel_task"] = told("{{job.parameters.said}}", "{{job.parameters.kept}}")
    job_id = jobs.create(task, after, parameters=parameters)
    run_id = jobs.finish(jobs.start(job_id, job_parameters={"kept": "mine"}))["run_id"]
    first = repair(client, run_id, rerun_tasks=["check"])
    assert attempts(jobs.finish(run_id), "check") == [(n, "FAILED") for n in range(4)]
    with pytest.raises(InvalidParameterValue, match=f"needs to be provided.*={first}"):
        repair(client, run_id, rerun_tasks=["check"])
    with pytest.raises(InvalidParameterValue, match=f"is 999; the latest .* is {first}"):
        repair(client, run_id, rerun_tasks=["check"], latest_repair_id=999)
    (tmp_path / "approved").touch()
    second = repair(
        client,
        run_id,
        rerun_tasks=["check"],
        rerun_dependent_tasks=True,
        latest_repair_id=first,
        job_parameters={"said": "bye"},
    )

    run, shown = ended(client, jobs, run_id)
    assert attempts(run, "check")[-1] == (4, "SUCCESS")
    assert attempts(run, "after") == [(0, "SUCCESS"), (1, "SUCCESS")]
    log = client.jobs.get_run_output(run["tasks"][-1]["run_id"]).logs or ""
    assert log == "took ['bye', 'mine']\n"
    given = {each.name: each.value for each in shown.job_parameters or []}
    assert given == {"said": "bye", "kept": "mine"}
    assert [item.id for item in shown.repair_history or []] == [None, first, second]


def test_a_condition_is_evaluated_again_and_may_choose_the_other_branch(
    client: WorkspaceClient, jobs: Jobs, tmp_path: Path
) -> None:
    condition = {"left": "{{tasks.ask.values.x}}", "op": "EQUAL_TO", "right": "7"}
    code = f"import os\nif os.path.exists({str(tmp_path / 'good')!r}): {SET.format(7)}\n"
    run = jobs.run(
        execute("ask", f"{code}else: {SET.format(0)}"),
        {"task_key": "good", "depends_on": [{"task_key": "ask"}], "condition_task": condition},
        execute("yes", "", depends_on=[{"task_key": "good", "outcome": "true"}]),
        execute("no", "", depends_on=[{"task_key": "good", "outcome": "false"}]),
    )
    assert results(run) == dict.fromkeys(("ask", "good", "no"), "SUCCESS") | {"yes": "EXCLUDED"}
    with pytest.raises(InvalidParameterValue, match="No task of this run has failed"):
        client.jobs.repair_run(run["run_id"], rerun_all_failed_tasks=True)
    (tmp_path / "good").touch()

    client.jobs.repair_run(run["run_id"], rerun_tasks=["ask"], rerun_dependent_tasks=True)

    again = jobs.finish(run["run_id"])
    assert results(again) == dict.fromkeys(("ask", "good", "yes"), "SUCCESS") | {"no": "EXCLUDED"}


def test_a_repair_takes_the_job_as_it_is_now(
    client: WorkspaceClient, jobs: Jobs, tmp_path: Path
) -> None:
    job_id, run = start(jobs, tmp_path / "never")
    settings = jobs.there.ask("GET", f"/api/2.2/jobs/get?job_id={job_id}")["settings"]
    settings["tasks"][1]["python_wheel_task"]["parameters"] = [SET.format(5)]
    jobs.there.ask("POST", "/api/2.2/jobs/reset", {"job_id": job_id, "new_settings": settings})

    client.jobs.repair_run(run["run_id"], rerun_tasks=["check"])

    assert jobs.finish(run["run_id"])["state"]["result_state"] == "SUCCESS"


def test_a_repair_that_cannot_be_is_refused(
    client: WorkspaceClient, jobs: Jobs, tmp_path: Path
) -> None:
    _, run = start(jobs, tmp_path / "never")
    run_id, repair = run["run_id"], client.jobs.repair_run

    with pytest.raises(InvalidParameterValue, match=r"no task 'lost'\. There are: check, first"):
        repair(run_id, rerun_tasks=["lost"])
    with pytest.raises(InvalidParameterValue, match="got neither"):
        repair(run_id)
    with pytest.raises(InvalidParameterValue, match="got both"):
        repair(run_id, rerun_tasks=["check"], rerun_all_failed_tasks=True)
    with pytest.raises(InvalidParameterValue, match="duplicate task keys"):
        repair(run_id, rerun_tasks=["check", "check"])
    with pytest.raises(InvalidParameterValue, match="no parameter 'day'"):
        repair(run_id, rerun_tasks=["check"], job_parameters={"day": "1"})
    with pytest.raises(InvalidParameterValue, match=r"the latest repair of run .* is none"):
        repair(run_id, rerun_tasks=["check"], latest_repair_id=3)
    with pytest.raises(NotBuilt, match="'notebook_params' is not supported"):
        repair(run_id, rerun_tasks=["check"], notebook_params={})
    with pytest.raises(InvalidParameterValue, match="Run '999999999' does not exist"):
        repair(999_999_999, rerun_all_failed_tasks=True)
    assert jobs.get(run_id)["tasks"] == run["tasks"]


def test_a_run_that_is_under_way_is_not_repaired_and_a_repair_can_be_canceled(
    client: WorkspaceClient, jobs: Jobs, tmp_path: Path
) -> None:
    wait = f"import os, time\nif os.path.exists({str(tmp_path / 'wait')!r}): time.sleep(600)\n1/0"
    run_id = jobs.run(execute("only", wait))["run_id"]
    (tmp_path / "wait").touch()
    repair_id = repair(client, run_id, rerun_all_failed_tasks=True)
    until(lambda: jobs.get(run_id)["tasks"][-1]["state"]["life_cycle_state"] == "RUNNING")
    shown = client.jobs.get_run(run_id)
    assert shown.end_time in (None, 0)

    with pytest.raises(InvalidState, match="in progress"):
        client.jobs.repair_run(run_id, rerun_all_failed_tasks=True, latest_repair_id=repair_id)
    client.jobs.cancel_run(run_id)

    run, shown = ended(client, jobs, run_id)
    assert attempts(run, "only") == [(0, "FAILED"), (1, "CANCELED")]
    assert len(shown.repair_history or []) == 2
