import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from laptop.jobs.errors import JobError, UnknownName
from laptop.jobs.graph import Condition, ForEach, Job
from laptop.jobs.references import check_references, texts_of
from laptop.jobs.resolution import Context, RunFacts
from laptop.jobs.settings import read_job, select

# A Saturday.
STARTED = datetime(2026, 11, 21, 6, 30, 5, tzinfo=UTC)
FACTS = RunFacts(job_id=7, job_name="night", run_id=12, started=STARTED, trigger="ONE_TIME")
LEFT: Mapping[str, Mapping[str, Any]] = {
    "a": {
        "values": {
            "uri": "models:/m/1",
            "rows": 5,
            "parts": ["x", 1],
            "ok": True,
            "none": None,
            "a-b.c": "odd",
        },
        "state": {"result_state": "SUCCESS"},
        "run_id": 12001,
        "attempt_number": 1,
        "start_time": 1,
    }
}
ENVIRONMENTS = [{"environment_key": "default"}]
AFTER = {"a": "", "b": "a", "c": ""}


def job(key: str = "b", only: str = "", **more: Any) -> Job:
    """Three tasks: b waits for a; c for nobody; one of them has more to say."""
    tasks = [
        {"task_key": each, "depends_on": [{"task_key": before} for before in after]}
        | (more if each == key else {"condition_task": {"left": 1, "op": "NOT_EQUAL", "right": 2}})
        for each, after in AFTER.items()
    ]
    settings = {
        "name": "night",
        "tasks": tasks,
        "environments": ENVIRONMENTS,
        "parameters": [{"name": "as_of", "default": "now"}, {"name": "a-b", "default": "odd"}],
    }
    return read_job(select(settings, [only] if only else []))


def wheel(*arguments: str, **more: Any) -> dict[str, Any]:
    named = {"package_name": "toy", "entry_point": "run", "parameters": list(arguments)}
    return {"environment_key": "default", "python_wheel_task": named, **more}


def loop(inputs: str, *arguments: str) -> dict[str, Any]:
    inner = {"task_key": "n", **wheel(*arguments)}
    return {"for_each_task": {"inputs": inputs, "task": inner}}


def context(task: str = "b", *item: Any) -> Context:
    """Return the context of the second attempt of a task."""
    return Context(
        task=task,
        run=FACTS,
        parameters={"as_of": "{{job.id}}", "a-b": "odd"},
        of_task=LEFT.__getitem__,
        attempt={"run_id": 12002, "attempt_number": 1},
        item=item,
    )


def resolve(*arguments: str) -> list[str]:
    given = job(**wheel(*arguments))
    check_references(given)
    b = next(task for task in given.tasks if task.key == "b")
    return [context().resolve(text) for text in texts_of(b.work)]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("{{job.id}}", "7"),
        ("{{job.name}}", "night"),
        ("{{job.run_id}}", "12"),
        ("{{job.start_time.iso_date}}", "2026-11-21"),
        ("{{job.start_time.iso_datetime}}", "2026-11-21T06:30:05+00:00"),
        ("{{job.start_time.timestamp_ms}}", "1795242605000"),
        ("{{job.start_time.iso_weekday}}", "6"),
        ("{{job.start_time.is_weekday}}", "false"),
        ("{{job.start_time.year}}-{{job.start_time.month}}-{{job.start_time.day}}", "2026-11-21"),
        ("{{job.start_time.hour}}:{{job.start_time.minute}}:{{job.start_time.second}}", "6:30:5"),
        ("{{job.trigger.type}}", "one_time"),
        ("{{job.trigger.time.iso_date}}", "2026-11-21"),
        ("{{job.repair_count}}", "0"),
        ("{{job.parameters.`a-b`}}", "odd"),
        ("{{job.parameters.a-b}}", "odd"),
        ("{{task.name}}", "b"),
        ("{{task.run_id}}", "12002"),
        ("{{task.execution_count}}", "2"),
        ("{{tasks.a.values.uri}}", "models:/m/1"),
        ("{{tasks.a.values.rows}}", "5"),
        ("{{tasks.a.values.parts}}", '["x", 1]'),
        ("{{tasks.a.values.ok}}", "true"),
        ("{{tasks.a.values.none}}", "null"),
        ("{{tasks.a.values.`a-b.c`}}", "odd"),
        ("{{tasks.`a`.result_state}}", "success"),
        ("{{tasks.a.error_code}}", ""),
        ("{{tasks.a.execution_count}}", "2"),
        ("{{tasks.a.run_id}}", "12001"),
        ("--at={{ job.id }}/{{task.name}}", "--at=7/b"),
        ("no reference { here }", "no reference { here }"),
        ("{{}} and {{customer}}", "{{}} and {{customer}}"),
        ("{{customer.name}} of {{ a b }}", "{{customer.name}} of {{ a b }}"),
        ("{{job_id}}/{{parent_run_id}}/{{task_key}}", "7/12/b"),
        ("{{run_id}}/{{task_retry_count}}", "12002/1"),
        ("{{workspace.id}}", "1"),
        ("{{job.trigger.file_arrival.location}}", ""),
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
        ("{{job.start_time.week}}", ["no reference 'job.start_time.week'", "job.start_time.year"]),
        ("{{job.parameters.asof}}", ["'b'", "no job parameter 'asof'", "as_of"]),
        ("{{tasks.z.values.uri}}", ["no task 'z'", "a, b, c"]),
    ],
)
def test_an_unknown_reference_is_refused_by_name(argument: str, words: list[str]) -> None:
    with pytest.raises(UnknownName) as caught:
        check_references(job(**wheel("first", argument)))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("key", ["b", "c"])
def test_a_task_that_does_not_run_before_cannot_be_asked(key: str) -> None:
    with pytest.raises(JobError, match=rf"'{key}' does not run before 'b'.*depends_on"):
        check_references(job(**wheel(f"{{{{tasks.{key}.values.uri}}}}")))


def test_a_task_left_out_of_the_run_cannot_be_asked() -> None:
    with pytest.raises(UnknownName, match=r"in this run: no task 'a'\. There are: b\."):
        check_references(job(only="b", **wheel("{{tasks.a.values.uri}}")))


def test_a_value_that_was_not_set_is_an_error_that_says_what_was() -> None:
    with pytest.raises(JobError) as caught:
        resolve("{{tasks.a.values.url}}")
    for word in ("'b' asks for '{{tasks.a.values.url}}'", "'a' set no value 'url'", "uri", "set("):
        assert word in str(caught.value)


def test_a_value_of_a_task_that_did_not_run_says_what_became_of_it() -> None:
    left = {"values": {}, "state": {"result_state": "EXCLUDED"}}
    asking = Context("b", FACTS, {}, {"a": left}.__getitem__, {})
    with pytest.raises(JobError, match=r"set no value 'uri'.*Its result is EXCLUDED\."):
        asking.resolve("{{tasks.a.values.uri}}")


@pytest.mark.parametrize(
    ("result", "attempt", "state", "code", "count"),
    [
        ("FAILED", {"attempt_number": 2, "start_time": 1}, "failed", "RunExecutionError", "3"),
        ("EXCLUDED", {"attempt_number": 0}, "excluded", "", "0"),
        ("UPSTREAM_FAILED", {"attempt_number": 0}, "upstream_failed", "Skipped", "0"),
    ],
)
def test_a_task_that_did_not_succeed_tells_its_state_and_code(
    result: str, attempt: dict[str, Any], state: str, code: str, count: str
) -> None:
    left = {"state": {"result_state": result}, **attempt}
    asking = Context("b", FACTS, {}, {"a": left}.__getitem__, {})
    assert asking.resolve("{{tasks.a.result_state}}") == state
    assert asking.resolve("{{tasks.a.error_code}}") == code
    assert asking.resolve("{{tasks.a.execution_count}}") == count


@pytest.mark.parametrize(
    "more",
    [
        {"condition_task": {"left": "{{job.day}}", "op": "EQUAL_TO", "right": "5"}},
        {"condition_task": {"left": "5", "op": "EQUAL_TO", "right": "{{job.day}}"}},
        {"run_job_task": {"job_id": 1, "job_parameters": {"day": "{{job.day}}"}}},
        loop("{{job.day}}"),
        loop("[]", "{{job.day}}"),
    ],
)
def test_references_are_checked_wherever_they_are_resolved(more: dict[str, Any]) -> None:
    with pytest.raises(UnknownName, match=r"no reference 'job\.day'"):
        check_references(job(**more))


def test_what_is_repeated_may_ask_those_before_its_loop_and_no_others() -> None:
    check_references(job(**loop("{{tasks.a.values.parts}}", "{{tasks.a.values.uri}}", "{{input}}")))
    with pytest.raises(JobError, match="'c' does not run before 'b'"):
        check_references(job(**loop("[]", "{{tasks.c.values.uri}}")))


def test_only_what_is_repeated_has_an_input() -> None:
    check_references(job(**loop("[]", "{{input.name}}")))
    for text in ("{{input}}", "{{input.name}}"):
        with pytest.raises(JobError, match="only the task that a for_each_task repeats"):
            check_references(job(**wheel(text)))
        with pytest.raises(JobError, match="only the task that a for_each_task repeats"):
            check_references(job(**loop(text)))


def test_values_of_what_is_repeated_cannot_be_asked() -> None:
    asking = job("a", **loop("[]"))
    b = {"task_key": "b", "depends_on": [{"task_key": "a"}], **wheel("{{tasks.n.values.x}}")}
    settings = {"tasks": [{"task_key": "a", **loop("[]")}, b], "environments": ENVIRONMENTS}
    check_references(asking)
    with pytest.raises(JobError, match="'n' runs once an item"):
        check_references(read_job(settings))


@pytest.mark.parametrize(
    ("item", "text", "value"),
    [
        ("jan", "{{input}}", "jan"),
        (3, "{{input}}", "3"),
        (None, "{{input}}", "null"),
        ({"name": "jan", "rows": [1, 2]}, "{{input.name}}:{{input.rows}}", "jan:[1, 2]"),
        ({"a b": 1}, "{{input.`a b`}}", "1"),
        ({"name": "jan"}, "{{input}}", '{"name": "jan"}'),
    ],
)
def test_an_item_and_its_parts(item: Any, text: str, value: str) -> None:
    assert context("n", item).resolve(text) == value


@pytest.mark.parametrize("item", ["jan", {"name": "jan"}, ["jan"]])
def test_a_part_that_an_item_lacks_is_an_error(item: Any) -> None:
    with pytest.raises(JobError, match=r"asks for '\{\{input.size\}\}', but the item is"):
        context("n", item).resolve("{{input.size}}")


@pytest.mark.parametrize(
    ("inputs", "items"),
    [
        ('["x", 1, {"k": null}]', ["x", 1, {"k": None}]),
        ("{{tasks.a.values.parts}}", ["x", 1]),
        ("[]", []),
        (json.dumps(list(range(1000))), list(range(1000))),
    ],
)
def test_inputs_are_a_json_list_or_refer_to_one(inputs: str, items: list[Any]) -> None:
    assert context().items(loop_work(inputs)) == items


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ("{{tasks.a.values.uri}}", "inputs is a JSON list, got 'models:/m/1'"),
        ("{{tasks.a.values.rows}}", "inputs is a JSON list, got '5'"),
        ('{"a": 1}', "inputs is a JSON list"),
        (json.dumps(list(range(1001))), "1001 items in .* bytes; 1000 items and 49152 bytes fit"),
        (json.dumps(["x" * 49150]), "1 items in 49154 bytes"),
    ],
)
def test_inputs_that_are_no_list_or_too_long_are_refused(inputs: str, words: str) -> None:
    with pytest.raises(JobError, match=words):
        context().items(loop_work(inputs))


def loop_work(inputs: str) -> ForEach:
    (work,) = (task.work for task in job(**loop(inputs)).tasks if task.key == "b")
    assert isinstance(work, ForEach)
    return work


@pytest.mark.parametrize(("value", "text"), [("rows", "5"), ("uri", "models:/m/1"), ("ok", "true")])
def test_a_condition_takes_texts_numbers_and_flags(value: str, text: str) -> None:
    asked = Condition(f"{{{{tasks.a.values.{value}}}}}", "EQUAL_TO", "5")
    assert context().operands(asked) == (text, "5")


@pytest.mark.parametrize("value", ["parts", "none"])
def test_a_condition_takes_nothing_else(value: str) -> None:
    with pytest.raises(JobError, match="'b' compares text, numbers and flags"):
        context().operands(Condition("5", "EQUAL_TO", f"{{{{tasks.a.values.{value}}}}}"))


def test_a_parameters_default_may_ask_of_the_job_and_nothing_else() -> None:
    assert FACTS.resolve("{{job.name}}-{{job.start_time.iso_date}}") == "night-2026-11-21"
    settings = {"tasks": [{"task_key": "a", **wheel()}], "environments": ENVIRONMENTS}
    for text in ("{{job.started}}", "{{task.name}}", "{{tasks.a.values.x}}"):
        asking = {**settings, "parameters": [{"name": "day", "default": text}]}
        with pytest.raises(UnknownName, match="Job parameter 'day': no reference"):
            check_references(read_job(asking))
