from typing import Any

import pytest
from laptop.jobs.errors import JobError, NotBuilt, UnknownName
from laptop.jobs.graph import ForEach, Job, Wheel
from laptop.jobs.settings import read_job, select

Document = dict[str, Any]


def task(key: str, *after: str, **more: Any) -> Document:
    return {
        "task_key": key,
        "depends_on": [{"task_key": each} for each in after],
        "environment_key": "default",
        "python_wheel_task": {"package_name": "toy", "entry_point": "run"},
        **more,
    }


IS_5 = {"op": "EQUAL_TO", "left": "{{job.id}}", "right": 5}


def kind(key: str, **more: Any) -> Document:
    """Return a task that is no wheel."""
    return {"task_key": key, **more}


def after(key: str, before: str, outcome: str) -> Document:
    """Return a wheel task that waits for an outcome."""
    return task(key) | {"depends_on": [{"task_key": before, "outcome": outcome}]}


def each(key: str, inner: Document, inputs: Any = "[]", **more: Any) -> Document:
    """Return a task that repeats another."""
    return kind(key, for_each_task={"inputs": inputs, "task": inner, **more})


def settings(*tasks: Document, **more: Any) -> Document:
    environments = [{"environment_key": "default", "spec": {"dependencies": ["toy.whl"]}}]
    return {"name": "night", "tasks": list(tasks), "environments": environments, **more}


def keys(job: Job) -> list[str]:
    return [found.key for found in job.tasks]


def test_tasks_come_after_those_they_wait_for() -> None:
    job = read_job(settings(task("c", "b", "a"), task("b", "a"), task("a")))
    assert keys(job) == ["a", "b", "c"]


def test_upstream_is_near_and_far_and_nothing_beside() -> None:
    job = read_job(settings(task("a"), task("b", "a"), task("c", "b"), task("x"), task("d", "c")))
    assert job.upstream("c") == {"a", "b"}
    assert job.upstream("a") == set()


@pytest.mark.parametrize(
    ("tasks", "error", "words"),
    [
        ([], JobError, ["night", "has no tasks"]),
        ([task("")], JobError, ["no task_key"]),
        ([task("a"), task("a")], JobError, ["night", "two tasks of one task_key"]),
        ([task("a"), task("b", "z")], UnknownName, ["'b'", "no task 'z'", "a, b"]),
        ([task("a", environment_key="gpu")], UnknownName, ["'a'", "'gpu'", "default"]),
        ([task("a", environment_key=None)], NotBuilt, ["'a'", "cluster"]),
        ([task("a", run_if="SOME_DONE")], UnknownName, ["'a'", "SOME_DONE", "AT_LEAST_ONE_FAILED"]),
        ([task("a", condition_task=IS_5)], JobError, ["python_wheel_task and condition_task"]),
        ([task("a", dashboard_task={})], NotBuilt, ["'a'", "dashboard_task"]),
        ([task("a", notebook_task={})], NotBuilt, ["'a'", "notebook_task"]),
        ([task("a", sql_task={})], NotBuilt, ["'a'", "sql_task"]),
        ([task("a", disabled=True)], NotBuilt, ["'a'", "disabled"]),
        ([task("a/b")], JobError, ["'a/b'", "letters, digits, hyphens and underscores"]),
        ([task("a", python_wheel_task=None)], JobError, ["'a'", "none of", "python_wheel_task"]),
        ([kind("a", condition_task={**IS_5, "op": "IS"})], UnknownName, ["'a'", "'IS'", "LESS"]),
        ([kind("a", condition_task={"op": "NOT_EQUAL", "left": ""})], JobError, ["no right"]),
        ([kind("a", condition_task=IS_5, max_retries=1)], JobError, ["not tried again"]),
        ([task("a"), after("b", "a", "true")], JobError, ["outcome true", "not a condition_task"]),
        ([task("a"), after("b", "a", "yes")], JobError, ["'b'", "'yes'"]),
        ([kind("a", run_job_task={"job_id": "x"})], JobError, ["'a'", "is a number, got 'x'"]),
        (
            [kind("a", run_job_task={"job_id": 1, "jar_params": []})],
            NotBuilt,
            ["'a'", "'jar_params'"],
        ),
        ([each("a", task("n"), concurrency=101)], JobError, ["'a'", "1 to 100, got 101"]),
        ([each("a", task("n"), inputs="")], JobError, ["'a'", "no inputs"]),
        ([each("a", task("a"))], JobError, ["two tasks of one task_key, 'a'"]),
        ([each("a", each("n", task("m")))], JobError, ["'n'", "cannot repeat another"]),
        ([each("a", task("n", "a"))], JobError, ["'n'", "waits for none"]),
        ([each("a", kind("n", sql_task={}))], NotBuilt, ["'n'", "sql_task"]),
        ([{**each("a", task("n")), "max_retries": 2}], JobError, ["'a'", "task it repeats"]),
        ([task("a", python_wheel_task={"package_name": "t"})], JobError, ["'a'", "no entry_point"]),
        (
            [
                task(
                    "a",
                    python_wheel_task={
                        "package_name": "t",
                        "entry_point": "e",
                        "parameters": ["x"],
                        "named_parameters": {"y": "z"},
                    },
                )
            ],
            JobError,
            ["'a'", "both parameters and named_parameters"],
        ),
    ],
)
def test_a_graph_that_cannot_run_is_refused_by_name(
    tasks: list[Document], error: type[JobError], words: list[str]
) -> None:
    with pytest.raises(error) as caught:
        read_job(settings(*tasks))
    assert type(caught.value) is error
    for word in words:
        assert word in str(caught.value)


def test_a_circle_is_named_without_what_hangs_on_it() -> None:
    with pytest.raises(JobError) as caught:
        read_job(settings(task("a", "b"), task("b", "a"), task("after", "b"), task("free")))
    circle = str(caught.value).rpartition(": ")[2].rstrip(".").split(" → ")
    assert circle in (["a", "b", "a"], ["b", "a", "b"])


def test_a_task_on_a_cluster_needs_the_libraries_that_it_names() -> None:
    libraries = [
        {"whl": "wheels/a.whl"},
        {"pypi": {"package": "pandas>=2"}},
        {"requirements": "/Workspace/x.txt"},
    ]
    job = read_job(settings(task("a", environment_key=None, libraries=libraries)))
    (found,) = job.tasks
    assert isinstance(found.work, Wheel)
    assert found.work.dependencies == ("wheels/a.whl", "pandas>=2", "-r /Workspace/x.txt")
    assert found.retries == 0
    with pytest.raises(NotBuilt, match="a library of maven"):
        read_job(settings(task("a", environment_key=None, libraries=[{"maven": {}}])))


def test_only_what_is_named_runs_and_waits_for_nothing_else() -> None:
    whole = settings(task("a"), task("b", "a"), task("c", "b", "a"))
    job = read_job(select(whole, ["c", "b"]))
    assert keys(job) == ["b", "c"]
    assert [found.before for found in job.tasks] == [set(), {"b"}]


def test_a_task_that_is_not_selected_may_be_one_that_is_not_built() -> None:
    whole = settings(task("a", notebook_task={}), task("b", "a"))
    assert keys(read_job(select(whole, ["b"]))) == ["b"]


def test_a_job_with_a_task_that_is_not_built_is_refused_with_the_tasks_that_can_run() -> None:
    whole = settings(task("a", notebook_task={}), task("b", "a"), task("c"), task("d", disabled=1))
    with pytest.raises(NotBuilt, match=r"'a': notebook_task .* laptop\. .*: --only b,c$"):
        read_job(whole)
    with pytest.raises(NotBuilt, match=r"'a': notebook_task is not supported on the laptop\.$"):
        read_job(select(whole, ["a", "d"]))


def test_selecting_nothing_selects_all_and_an_unknown_task_is_refused() -> None:
    whole = settings(task("a"), task("b"))
    assert select(whole, []) == whole
    with pytest.raises(UnknownName, match=r"'night': no task 'z'\. There are: a, b\."):
        select(whole, ["a", "z"])


def test_parameters_are_the_defaults_replaced_by_what_is_given() -> None:
    parameters = [{"name": "as_of", "default": ""}, {"name": "limit", "default": 0}]
    job = read_job(settings(task("a"), parameters=parameters))
    assert job.with_parameters({"as_of": "2013-02-01"}) == {"as_of": "2013-02-01", "limit": "0"}
    with pytest.raises(UnknownName, match=r"no parameter 'asof'\. There are: as_of, limit\."):
        job.with_parameters({"asof": "2013-02-01"})


def test_limits_are_read_in_seconds_and_default_to_attempts_of_any_length() -> None:
    given = task(
        "a",
        max_retries=-1,
        min_retry_interval_millis=1500,
        retry_on_timeout=True,
        timeout_seconds=60,
    )
    first, second = read_job(settings(given, task("b"))).tasks
    assert (first.retries, first.retry_wait, first.retry_on_timeout, first.timeout) == (
        -1,
        1.5,
        True,
        60.0,
    )
    assert (second.retry_on_timeout, second.timeout) == (False, 0.0)


@pytest.mark.parametrize(
    ("given", "retries"),
    [
        (task("a"), 3),
        (task("a", max_retries=0), 3),
        (task("a", max_retries=2), 3),
        (task("a", max_retries=5), 5),
        (task("a", max_retries=-1), -1),
        (task("a", disable_auto_optimization=True), 0),
        (task("a", max_retries=2, disable_auto_optimization=True), 2),
        (kind("a", condition_task=IS_5), 0),
        (kind("a", run_job_task={"job_id": 1}), 0),
        (kind("a", run_job_task={"job_id": 1}, max_retries=1), 1),
        (each("a", task("n")), 0),
    ],
)
def test_serverless_tries_three_times_more_by_itself_unless_that_is_disabled(
    given: Document, retries: int
) -> None:
    assert read_job(settings(given)).tasks[0].retries == retries


def test_a_task_that_is_repeated_has_its_own_retries_and_is_walked_after_its_loop() -> None:
    loop = each("loop", task("n", disable_auto_optimization=True), [1, 2], concurrency=4)
    job = read_job(settings(loop, task("z", "loop")))
    assert [found.key for found in job.walk()] == ["loop", "n", "z"]
    work = job.tasks[0].work
    assert isinstance(work, ForEach)
    assert (work.inputs, work.concurrency, work.task.retries) == ("[1, 2]", 4, 0)
    assert job.leaves == {"z"}


def test_leaves_are_the_tasks_that_none_waits_for() -> None:
    job = read_job(settings(task("a"), task("b", "a"), task("c", "a"), task("d", "b")))
    assert job.leaves == {"c", "d"}


@pytest.mark.parametrize(
    ("wheel", "arguments"),
    [
        ({"parameters": ["--as_of", "now"]}, ("--as_of", "now")),
        ({"named_parameters": {"as_of": "now", "rows": 5}}, ("--as_of=now", "--rows=5")),
        ({"named_parameters": {"fast": True}}, ("--fast=true",)),
        ({}, ()),
    ],
)
def test_parameters_become_the_command_line(wheel: Document, arguments: tuple[str, ...]) -> None:
    named = {"package_name": "toy", "entry_point": "run", **wheel}
    work = read_job(settings(task("a", python_wheel_task=named))).tasks[0].work
    assert isinstance(work, Wheel)
    assert work.arguments == arguments


def test_job_parameters_go_to_a_task_whose_parameters_have_names_and_to_no_other() -> None:
    def wheel(**given: Any) -> Document:
        return {"package_name": "toy", "entry_point": "run", **given}

    job = read_job(
        settings(
            task("a", python_wheel_task=wheel(named_parameters={"x": "1", "as_of": "own"})),
            task("b", python_wheel_task=wheel(parameters=["--x=1"])),
            each("loop", task("c", python_wheel_task=wheel(named_parameters={"x": "1"}))),
            parameters=[{"name": "as_of", "default": "2013"}],
        )
    )
    works = {one.key: one.work for one in job.walk()}
    pushed = "--as_of={{job.parameters.as_of}}"
    told = {key: work.arguments for key, work in works.items() if isinstance(work, Wheel)}
    assert told == {"a": ("--x=1", pushed), "b": ("--x=1",), "c": ("--x=1", pushed)}
