from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from laptop.jobs.errors import JobError, UnknownName
from laptop.jobs.graph import Job, read_job
from laptop.jobs.references import RunFacts, check_references, resolve_arguments

FACTS = RunFacts(
    job_id=7,
    job_name="night",
    run_id=12,
    started=datetime(2026, 11, 21, 6, 30, tzinfo=UTC),
    task_run_id=12002,
    attempt=1,
)
LEFT: Mapping[str, Mapping[str, Any]] = {
    "a": {
        "values": {"uri": "models:/m/1", "rows": 5, "parts": ["x", 1], "ok": True, "none": None},
        "state": {"result_state": "SUCCESS"},
        "run_id": 12001,
    }
}


def job(*arguments: str, only: str = "") -> Job:
    """Three tasks: b, which has the arguments, waits for a; c for nobody."""
    tasks = [
        {
            "task_key": key,
            "depends_on": [{"task_key": each} for each in after],
            "environment_key": "default",
            "python_wheel_task": {
                "package_name": "toy",
                "entry_point": "run",
                "parameters": list(arguments) if key == "b" else [],
            },
        }
        for key, after in (("a", ""), ("b", "a"), ("c", ""))
    ]
    environments = [{"environment_key": "default"}]
    parameters = [{"name": "as_of", "default": "now"}]
    settings = {
        "name": "night",
        "tasks": tasks,
        "environments": environments,
        "parameters": parameters,
    }
    return read_job(settings).select([only] if only else [])


def resolve(*arguments: str) -> list[str]:
    given = job(*arguments)
    check_references(given)
    b = next(task for task in given.tasks if task.key == "b")
    return resolve_arguments(b, {"as_of": "{{job.id}}"}, FACTS, LEFT.__getitem__)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("{{job.id}}", "7"),
        ("{{job.name}}", "night"),
        ("{{job.run_id}}", "12"),
        ("{{job.start_time.iso_date}}", "2026-11-21"),
        ("{{job.start_time.iso_datetime}}", "2026-11-21T06:30:00+00:00"),
        ("{{job.start_time.timestamp_ms}}", "1795242600000"),
        ("{{task.name}}", "b"),
        ("{{task.run_id}}", "12002"),
        ("{{task.execution_count}}", "2"),
        ("{{tasks.a.values.uri}}", "models:/m/1"),
        ("{{tasks.a.values.rows}}", "5"),
        ("{{tasks.a.values.parts}}", '["x", 1]'),
        ("{{tasks.a.values.ok}}", "true"),
        ("{{tasks.a.values.none}}", "null"),
        ("{{tasks.a.result_state}}", "success"),
        ("{{tasks.a.run_id}}", "12001"),
        ("--at={{ job.id }}/{{task.name}}", "--at=7/b"),
        ("no reference { here }", "no reference { here }"),
    ],
)
def test_a_reference_becomes_its_value(argument: str, value: str) -> None:
    assert resolve(argument) == [value]


def test_what_a_parameter_holds_is_text_and_no_reference() -> None:
    assert resolve("{{job.parameters.as_of}}") == ["{{job.id}}"]


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("{{job.started}}", ["'b'", "no reference 'job.started'", "tasks.<key>.values.<name>"]),
        ("{{tasks.a.value.uri}}", ["no reference 'tasks.a.value.uri'"]),
        ("{{tasks.a.values.uri.x}}", ["no reference"]),
        ("{{}}", ["no reference ''"]),
        ("{{job.parameters.asof}}", ["'b'", "no job parameter 'asof'", "as_of"]),
        ("{{tasks.z.values.uri}}", ["no task 'z'", "a, b, c"]),
    ],
)
def test_an_unknown_reference_is_refused_by_name(argument: str, words: list[str]) -> None:
    with pytest.raises(UnknownName) as caught:
        check_references(job("first", argument))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("key", ["b", "c"])
def test_a_task_that_does_not_run_before_cannot_be_asked(key: str) -> None:
    with pytest.raises(JobError, match=rf"'{key}' does not run before 'b'.*depends_on"):
        check_references(job(f"{{{{tasks.{key}.values.uri}}}}"))


def test_a_task_left_out_of_the_run_cannot_be_asked() -> None:
    with pytest.raises(UnknownName, match=r"in this run: no task 'a'\. There are: b\."):
        check_references(job("{{tasks.a.values.uri}}", only="b"))


def test_a_value_that_was_not_set_is_an_error_that_says_what_was() -> None:
    with pytest.raises(JobError) as caught:
        resolve("{{tasks.a.values.url}}")
    for word in ("'b' asks for '{{tasks.a.values.url}}'", "'a' set no value 'url'", "uri", "set("):
        assert word in str(caught.value)
