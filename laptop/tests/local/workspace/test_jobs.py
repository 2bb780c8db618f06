from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, InvalidParameterValue
from databricks.sdk.errors import NotImplemented as NotBuilt
from databricks.sdk.service.compute import Environment
from databricks.sdk.service.jobs import (
    CronSchedule,
    JobEnvironment,
    JobParameterDefinition,
    JobRunAs,
    JobSettings,
    PythonWheelTask,
    RunLifeCycleState,
    RunResultState,
    Task,
)
from laptop.connection import Connection, RequestRefused


@pytest.fixture
def job(client: WorkspaceClient, wheel: str) -> int:
    settings = create(wheel, "sdk", "{{job.parameters.said}}")
    return int(client.jobs.create(**settings).job_id or 0)


def create(wheel: str, name: str, *arguments: str) -> dict[str, Any]:
    """Return the settings of a job of one task that prints its arguments."""
    return {
        "name": name,
        "parameters": [JobParameterDefinition(name="said", default="hello")],
        "tasks": [
            Task(
                task_key="only",
                environment_key="default",
                python_wheel_task=PythonWheelTask("toy", "take", parameters=list(arguments)),
            )
        ],
        "environments": [
            JobEnvironment("default", Environment(environment_version="5", dependencies=[wheel]))
        ],
    }


def test_a_job_is_made_listed_shown_and_changed(client: WorkspaceClient, wheel: str) -> None:
    job_id = int(client.jobs.create(**create(wheel, "listed")).job_id or 0)
    assert [each.job_id for each in client.jobs.list(name="listed")] == [job_id]
    settings = client.jobs.get(job_id).settings
    assert settings is not None
    assert [task.task_key for task in settings.tasks or []] == ["only"]
    client.jobs.reset(job_id, JobSettings(**create(wheel, "renamed")))
    assert [each.job_id for each in client.jobs.list(name="renamed")] == [job_id]
    assert list(client.jobs.list(name="listed")) == []


def test_a_schedule_and_an_identity_are_kept_as_they_were_given(
    client: WorkspaceClient, wheel: str
) -> None:
    schedule, runner = CronSchedule("0 0 5 * * ?", "UTC"), JobRunAs(user_name="laptop@localhost")
    job_id = int(
        client.jobs.create(**create(wheel, "timed"), schedule=schedule, run_as=runner).job_id or 0
    )
    settings = client.jobs.get(job_id).settings
    assert settings is not None
    assert settings.schedule == schedule
    assert settings.run_as == runner


def test_a_run_is_started_waited_for_and_read(client: WorkspaceClient, job: int) -> None:
    run = client.jobs.run_now(job, job_parameters={"said": "bye"}).result()
    assert run.state is not None
    assert run.state.life_cycle_state == RunLifeCycleState.TERMINATED
    assert run.state.result_state == RunResultState.SUCCESS
    assert [(p.name, p.value) for p in run.job_parameters or []] == [("said", "bye")]
    (task,) = run.tasks or []
    assert (task.task_key, task.attempt_number) == ("only", 0)
    output = client.jobs.get_run_output(int(task.run_id or 0))
    assert output.logs == "took ['bye']\n"
    assert run.run_id in [each.run_id for each in client.jobs.list_runs(job_id=job)]
    assert run.run_id not in [each.run_id for each in client.jobs.list_runs(active_only=True)]


def test_an_unknown_parameter_starts_nothing(client: WorkspaceClient, job: int) -> None:
    with pytest.raises(BadRequest, match=r"no parameter 'sad'\. There are: said\."):
        client.jobs.run_now(job, job_parameters={"sad": "bye"})
    assert list(client.jobs.list_runs(job_id=job)) == []


def test_what_a_run_cannot_take_is_refused(client: WorkspaceClient, job: int) -> None:
    with pytest.raises(NotBuilt, match="'python_params' is not supported"):
        client.jobs.run_now(job, python_params=["bye"])
    assert list(client.jobs.list_runs(job_id=job)) == []


def test_unknown_jobs_and_runs_are_named(client: WorkspaceClient, there: Connection) -> None:
    with pytest.raises((BadRequest, InvalidParameterValue), match="Job '99999' does not exist"):
        client.jobs.get(99999)
    for path in ("get?run_id=99999", "get-output?run_id=99999"):
        with pytest.raises(RequestRefused, match="'99999' does not exist"):
            there.ask("GET", f"/api/2.2/jobs/runs/{path}")


def test_a_job_is_changed_in_part_and_removed(client: WorkspaceClient, wheel: str) -> None:
    job_id = int(client.jobs.create(**create(wheel, "part"), timeout_seconds=7).job_id or 0)
    client.jobs.update(
        job_id, new_settings=JobSettings(name="parted"), fields_to_remove=["timeout_seconds"]
    )
    settings = client.jobs.get(job_id).settings
    assert settings is not None
    assert (settings.name, settings.timeout_seconds) == ("parted", None)
    assert [task.task_key for task in settings.tasks or []] == ["only"]
    client.jobs.delete(job_id)
    assert list(client.jobs.list(name="parted")) == []
    with pytest.raises(BadRequest, match="does not exist"):
        client.jobs.delete(job_id)


def test_jobs_are_listed_by_page_with_their_tasks_when_asked(
    client: WorkspaceClient, there: Connection, wheel: str
) -> None:
    made = [int(client.jobs.create(**create(wheel, "paged")).job_id or 0) for _ in range(3)]
    first = there.ask("GET", "/api/2.2/jobs/list?name=paged&limit=2")
    assert [job["job_id"] for job in first["jobs"]] == made[:2]
    assert "tasks" not in first["jobs"][0]["settings"]
    token = first["next_page_token"]
    last = there.ask("GET", f"/api/2.2/jobs/list?name=paged&limit=2&page_token={token}")
    assert [job["job_id"] for job in last["jobs"]] == made[2:]
    assert "next_page_token" not in last
    assert "next_page_token" not in there.ask("GET", "/api/2.2/jobs/list?name=paged&limit=3")
    full = there.ask("GET", "/api/2.2/jobs/list?name=paged&expand_tasks=true")["jobs"]
    assert [job["settings"]["tasks"][0]["task_key"] for job in full] == ["only"] * 3
    for query in ("limit=0", "page_token=next"):
        with pytest.raises(RequestRefused, match="positive limit and a token of an earlier page"):
            there.ask("GET", f"/api/2.2/jobs/list?{query}")
