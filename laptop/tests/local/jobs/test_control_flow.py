import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest
from databricks.sdk.service.jobs import (
    BaseRun,
    JobEnvironment,
    JobParameterDefinition,
    QueueSettings,
    Run,
    RunLifeCycleState,
    RunTask,
    Task,
)

from ...conftest import Toy, alive, execute, until

SLEEP = "import time; time.sleep(600)"
ENDED = (RunLifeCycleState.TERMINATED, RunLifeCycleState.SKIPPED, RunLifeCycleState.INTERNAL_ERROR)
Document = dict[str, Any]
Part = Run | RunTask | BaseRun


@dataclass(frozen=True)
class Flow:
    """Makes and runs jobs through Databricks' own client."""

    client: WorkspaceClient
    wheel: str

    def create(self, *tasks: Document, name: str = "flow", **more: Any) -> int:
        environment = {"environment_key": "default", "spec": {"dependencies": [self.wheel]}}
        made = self.client.jobs.create(
            name=name,
            tasks=[Task.from_dict(task) for task in tasks],
            environments=[JobEnvironment.from_dict(environment)],
            **more,
        )
        return int(made.job_id or 0)

    def start(self, job_id: int, **more: Any) -> int:
        return int(self.client.jobs.run_now(job_id, **more).bind()["run_id"])

    def finish(self, run_id: int) -> Run:
        def ended() -> Run | None:
            run = self.client.jobs.get_run(run_id)
            return run if run.state and run.state.life_cycle_state in ENDED else None

        run: Run = until(ended)
        return run

    def run(self, *tasks: Document, **more: Any) -> Run:
        return self.finish(self.start(self.create(*tasks, **more)))


@pytest.fixture
def flow(client: WorkspaceClient, wheel: str) -> Flow:
    return Flow(client, wheel)


def end_of(part: Part) -> str:
    state = part.as_dict()["state"]
    return str(state.get("result_state") or state["life_cycle_state"])


def said_of(part: Part) -> str:
    return str(part.as_dict()["state"].get("state_message", ""))


def termination_of(part: Run | RunTask) -> str:
    return str(part.as_dict()["status"]["termination_details"]["code"])


def ends(run: Run) -> dict[str, str]:
    return {task.task_key: end_of(task) for task in run.tasks or []}


def find(run: Run, key: str) -> RunTask:
    return [task for task in run.tasks or [] if task.task_key == key][-1]


def note_and_sleep(file: Path) -> str:
    """Return code that adds its process to a file and stays."""
    return f"import os; open({str(file)!r}, 'a').write(f'{{os.getpid()}}\\n'); {SLEEP}"


def leave(key: str, value: str, *after: str, **more: Any) -> Document:
    """Return a task that leaves a value x, given as Python."""
    code = f"from databricks.sdk.runtime import dbutils; dbutils.jobs.taskValues.set('x', {value})"
    return execute(key, code, *after, **more)


def check(key: str, left: str, op: str, right: str, *after: str) -> Document:
    waits = [{"task_key": each} for each in after]
    condition = {"left": left, "op": op, "right": right}
    return {"task_key": key, "depends_on": waits, "condition_task": condition}


def branch(key: str, condition: str, outcome: str, **more: Any) -> Document:
    return execute(key, "", **more) | {"depends_on": [{"task_key": condition, "outcome": outcome}]}


def loop(key: str, inputs: str, inner: Document, *after: str, **more: Any) -> Document:
    concurrency = {"concurrency": more.pop("concurrency")} if "concurrency" in more else {}
    return {
        "task_key": key,
        "depends_on": [{"task_key": each} for each in after],
        "for_each_task": {"inputs": inputs, "task": inner, **concurrency},
        **more,
    }


def with_argument(task: Document, argument: str) -> Document:
    task["python_wheel_task"]["parameters"].append(argument)
    return task


def call(key: str, job_id: int, *after: str, **parameters: str) -> Document:
    return {
        "task_key": key,
        "depends_on": [{"task_key": each} for each in after],
        "run_job_task": {"job_id": job_id, "job_parameters": parameters},
    }


def test_a_condition_chooses_who_runs_and_who_is_excluded(flow: Flow) -> None:
    run = flow.run(
        leave("count", "7"),
        check("many", "{{tasks.count.values.x}}", "GREATER_THAN", "5.0", "count"),
        branch("yes", "many", "true"),
        branch("no", "many", "false"),
        execute("after_no", "", "no"),
        execute("join", "", "yes", "no", run_if="NONE_FAILED"),
    )
    assert ends(run) == {
        "count": "SUCCESS",
        "many": "SUCCESS",
        "yes": "SUCCESS",
        "no": "EXCLUDED",
        "after_no": "EXCLUDED",
        "join": "SUCCESS",
    }
    assert end_of(run) == "SUCCESS"
    condition = find(run, "many").as_dict()
    assert condition["condition_task"]["outcome"] == "true"
    assert condition["resolved_values"]["condition_task"]["left"] == "7"
    assert said_of(find(run, "no")) == "'many' is true."
    assert find(run, "no").start_time is None
    assert termination_of(find(run, "no")) == "SKIPPED"


def test_a_condition_that_cannot_be_compared_fails_with_what_waits_for_it(flow: Flow) -> None:
    run = flow.run(
        leave("word", "'many'"),
        check("more", "{{tasks.word.values.x}}", "LESS_THAN", "5", "word"),
        branch("yes", "more", "true"),
        branch("no", "more", "false"),
    )
    assert ends(run) | {"word": ""} == {
        "word": "",
        "more": "FAILED",
        "yes": "UPSTREAM_FAILED",
        "no": "UPSTREAM_FAILED",
    }
    output = flow.client.jobs.get_run_output(find(run, "more").run_id or 0)
    assert output.error == "Task 'more': LESS_THAN compares numbers, got 'many'."
    assert end_of(run) == "FAILED"


def test_run_if_lets_failures_be_handled_and_told_on(flow: Flow) -> None:
    run = flow.run(
        execute("bad", "raise RuntimeError"),
        with_argument(
            leave("tell", "sys.argv[2]".replace("sys", "__import__('sys')"), "bad"),
            "{{tasks.bad.result_state}} {{tasks.bad.error_code}} {{job.trigger.type}}",
        )
        | {"run_if": "AT_LEAST_ONE_FAILED"},
        execute("good", ""),
        execute("never", "", "good", run_if="ALL_FAILED"),
        execute("always", "", "bad", "never", run_if="ALL_DONE"),
    )
    assert ends(run) == {
        "bad": "FAILED",
        "tell": "SUCCESS",
        "good": "SUCCESS",
        "never": "EXCLUDED",
        "always": "SUCCESS",
    }
    assert end_of(run) == "SUCCESS_WITH_FAILURES"
    assert said_of(run) == "Succeeded, though these failed: bad."
    assert termination_of(run) == "SUCCESS_WITH_FAILURES"
    raw = flow.client.api_client.do("GET", f"/api/2.2/jobs/runs/get?run_id={run.run_id}")
    assert isinstance(raw, dict)
    told = {task["task_key"]: task["values"] for task in raw["tasks"]}["tell"]
    assert told == {"x": "failed RunExecutionError one_time"}


def test_each_item_of_a_list_is_run_with_so_many_at_once(flow: Flow, tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        f"file = open({str(tmp_path / 'times')!r}, 'a+', buffering=1)\n"
        "print('item', sys.argv[2]); file.write('1\\n')\n"
        # The first waits until another has begun beside it.
        "while file.seek(0) or file.read().split().count('1') < 2: time.sleep(0.01)\n"
        "time.sleep(0.3); file.write('-1\\n')"
    )
    inner = with_argument(execute("load", code), "{{input.month}} {{task.name}}")
    months = [{"month": name} for name in ("jan", "feb", "mar", "apr", "may")]
    run = flow.run(
        leave("list", repr(months)),
        loop("each", "{{tasks.list.values.x}}", inner, "list", concurrency=2),
        execute("after", "", "each"),
    )
    assert ends(run) == {"list": "SUCCESS", "each": "SUCCESS", "after": "SUCCESS"}
    steps = [int(line) for line in (tmp_path / "times").read_text().split()]
    assert max(sum(steps[:end]) for end in range(len(steps) + 1)) == 2
    task = find(run, "each")
    assert task.as_dict()["for_each_task"]["stats"]["task_run_stats"] == {
        "active_iterations": 0,
        "completed_iterations": 5,
        "failed_iterations": 0,
        "scheduled_iterations": 5,
        "succeeded_iterations": 5,
        "total_iterations": 5,
    }
    own = flow.client.jobs.get_run(task.run_id or 0)
    assert (own.job_run_id, own.run_id) == (run.run_id, task.run_id)
    assert [each.task_key for each in own.tasks or []] == ["each"]
    assert [(each.task_key, end_of(each)) for each in own.iterations or []] == [
        ("load", "SUCCESS")
    ] * 5
    printed = [
        flow.client.jobs.get_run_output(each.run_id or 0).logs for each in own.iterations or []
    ]
    assert printed == [f"item {each['month']} load\n" for each in months]


def test_an_item_that_fails_leaves_the_others_alone_and_fails_the_loop(
    flow: Flow, tmp_path: Path
) -> None:
    code = (
        "import pathlib, sys\n"
        f"file = pathlib.Path({str(tmp_path)!r}, sys.argv[2])\n"
        "again = file.exists(); file.touch()\n"
        "assert sys.argv[2] == '1' or (sys.argv[2] == '2' and again), 'bad item'"
    )
    inner = with_argument(execute("load", code, max_retries=1), "{{input}}")
    run = flow.run(loop("each", "[1, 2, 3]", inner), execute("after", "", "each"))
    assert ends(run) == {"each": "FAILED", "after": "UPSTREAM_FAILED"}
    assert said_of(find(run, "each")) == "1 of 3 iterations failed."
    own = flow.client.jobs.get_run(find(run, "each").run_id or 0)
    tried = [(each.attempt_number, end_of(each)) for each in own.iterations or []]
    assert sorted(tried) == [
        (0, "FAILED"),
        (0, "FAILED"),
        (0, "SUCCESS"),
        (1, "FAILED"),
        (1, "SUCCESS"),
    ]
    (task,) = own.as_dict()["tasks"]
    stats = task["for_each_task"]["stats"]["task_run_stats"]
    assert (stats["total_iterations"], stats["failed_iterations"]) == (3, 1)


@pytest.mark.parametrize(
    ("inputs", "end", "message"),
    [
        ("[]", "SUCCESS", "0 iterations."),
        ("{{job.parameters.list}}", "SUCCESS", "2 iterations."),
        ("jan, feb", "FAILED", "Task 'each': inputs is a JSON list, got 'jan, feb'."),
    ],
)
def test_a_list_may_be_empty_or_a_parameter_but_must_be_one(
    flow: Flow, inputs: str, end: str, message: str
) -> None:
    parameters = [JobParameterDefinition(name="list", default='["a", "b"]')]
    run = flow.run(loop("each", inputs, execute("load", "")), parameters=parameters)
    assert ends(run) == {"each": end}
    assert said_of(find(run, "each")) == message


def test_another_job_is_run_with_parameters_and_waited_for(flow: Flow) -> None:
    inner = execute("inner", "import sys; print(sys.argv[2:])")
    inner = with_argument(
        inner, "{{job.parameters.said}} {{job.parameters.day}} {{job.trigger.type}}"
    )
    parameters = [
        JobParameterDefinition(name="said", default="hello"),
        JobParameterDefinition(name="day", default="{{job.start_time.year}}"),
    ]
    child = flow.create(inner, name="child", parameters=parameters)
    run = flow.run(
        leave("word", "'bye'"),
        call("call", child, "word", said="{{tasks.word.values.x}}"),
        execute("after", "", "call"),
    )
    assert ends(run) == {"word": "SUCCESS", "call": "SUCCESS", "after": "SUCCESS"}
    task = find(run, "call")
    output = flow.client.jobs.get_run_output(task.run_id or 0).as_dict()
    started = flow.client.jobs.get_run(output["run_job_output"]["run_id"])
    assert (started.job_id, end_of(started)) == (child, "SUCCESS")
    assert started.as_dict()["trigger"] == "RUN_JOB_TASK"
    assert started.as_dict()["trigger_info"] == {"run_id": task.run_id}
    year = str((run.start_time or 0) // 1000 // 31_556_952 + 1970)
    given = {p.name: p.value for p in started.job_parameters or []}
    assert given == {"said": "bye", "day": year}
    printed = flow.client.jobs.get_run_output(find(started, "inner").run_id or 0).logs
    assert printed == f"['bye {year} run_job_task']\n"


def test_a_job_that_fails_fails_the_task_that_runs_it(flow: Flow) -> None:
    child = flow.create(execute("inner", "raise RuntimeError('no rows')"), name="child")
    run = flow.run(call("call", child), execute("after", "", "call"))
    assert ends(run) == {"call": "FAILED", "after": "UPSTREAM_FAILED"}
    said = said_of(find(run, "call"))
    assert said.startswith("Run ")
    assert said.endswith("of 'child' ended FAILED. Failed: inner.")


def test_a_job_is_run_for_each_item_and_waits_in_its_queue(flow: Flow) -> None:
    inner = with_argument(execute("inner", ""), "{{job.parameters.month}}")
    child = flow.create(
        inner,
        name="child",
        parameters=[JobParameterDefinition(name="month", default="")],
        queue=QueueSettings(enabled=True),
    )
    nested = call("call", child, month="{{input}}")
    del nested["depends_on"]
    run = flow.run(loop("each", '["jan", "feb", "mar"]', nested, concurrency=3))
    assert ends(run) == {"each": "SUCCESS"}
    months = [
        [p.value for p in each.job_parameters or []]
        for each in flow.client.jobs.list_runs(job_id=child)
    ]
    assert sorted(months) == [["feb"], ["jan"], ["mar"]]


def test_a_job_that_is_full_and_has_no_queue_fails_the_task_that_runs_it(flow: Flow) -> None:
    child = flow.create(execute("inner", SLEEP), name="child")
    busy = flow.start(child)
    run = flow.run(call("call", child))
    flow.client.jobs.cancel_run(busy)
    assert ends(run) == {"call": "FAILED"}
    assert "MAXIMUM_CONCURRENT_RUNS_REACHED" in said_of(find(run, "call"))


def test_jobs_that_run_one_another_are_refused_and_so_is_too_deep_a_nest(flow: Flow) -> None:
    deepest = flow.create(execute("inner", ""), name="deepest")
    chain = [deepest]
    for depth in range(4):
        chain.append(flow.create(call("call", chain[-1]), name=f"depth {depth}"))
    assert end_of(flow.finish(flow.start(chain[3]))) == "SUCCESS"
    with pytest.raises(BadRequest, match="inside 3 others, which is as deep as"):
        flow.start(chain[4])
    settings = flow.client.jobs.get(deepest).settings
    assert settings is not None
    settings.tasks = [Task.from_dict(loop("each", "[]", without_waits(call("back", chain[1]))))]
    flow.client.jobs.reset(deepest, settings)
    circle = f"jobs {chain[1]} → {deepest} → {chain[1]}"
    with pytest.raises(BadRequest, match=f"'back' runs a job that waits for it: {circle}"):
        flow.start(chain[1])


def without_waits(task: Document) -> Document:
    return {key: value for key, value in task.items() if key != "depends_on"}


@pytest.mark.parametrize(
    ("inner", "parameters", "words"),
    [
        (execute("inner", ""), {"day": "1"}, "no parameter 'day'"),
        (with_argument(execute("inner", ""), "{{job.day}}"), {}, r"no reference 'job\.day'"),
        (execute("inner", "", environment_key="gpu"), {}, "no environment 'gpu'"),
        ({"task_key": "inner", "sql_task": {"warehouse_id": "1"}}, {}, "sql_task is not supported"),
    ],
)
def test_what_cannot_run_in_a_job_below_is_refused_before_anything_runs(
    flow: Flow, inner: Document, parameters: dict[str, str], words: str
) -> None:
    child = flow.create(inner, name="child")
    parent = flow.create(execute("first", ""), call("call", child, "first", **parameters))
    with pytest.raises(BadRequest, match=rf"Task 'call', job {child}: .*{words}"):
        flow.start(parent)
    flow.client.jobs.delete(child)
    with pytest.raises(BadRequest, match=f"'call' runs job {child}, which does not exist"):
        flow.start(parent)
    assert list(flow.client.jobs.list_runs(job_id=parent)) == []


def test_canceling_a_run_ends_its_loops_and_the_jobs_it_runs(flow: Flow, tmp_path: Path) -> None:
    code = note_and_sleep(tmp_path / "pids")
    child = flow.create(execute("inner", code), name="child")
    run_id = flow.start(
        flow.create(
            loop("each", "[1, 2, 3]", execute("load", code), concurrency=2),
            call("call", child),
            execute("cleanup", "", "each", "call", run_if="ALL_DONE"),
        )
    )
    file = tmp_path / "pids"
    until(lambda: file.exists() and len(file.read_text().split()) == 3)
    flow.client.jobs.cancel_run(run_id)
    run = flow.finish(run_id)
    assert ends(run) == {"each": "CANCELED", "call": "CANCELED", "cleanup": "CANCELED"}
    own = flow.client.jobs.get_run(find(run, "each").run_id or 0)
    assert [end_of(each) for each in own.iterations or []] == ["CANCELED"] * 3
    assert [end_of(each) for each in flow.client.jobs.list_runs(job_id=child)] == ["CANCELED"]
    until(lambda: not any(alive(int(pid)) for pid in file.read_text().split()))


def test_a_time_out_of_a_loop_or_of_a_job_that_is_run_ends_what_it_holds(
    flow: Flow, tmp_path: Path
) -> None:
    code = note_and_sleep(tmp_path / "pids")
    child = flow.create(execute("inner", code), name="child")
    run = flow.run(
        loop("each", "[1, 2]", execute("load", code), timeout_seconds=4),
        call("call", child) | {"timeout_seconds": 4},
    )
    assert ends(run) == {"each": "TIMEDOUT", "call": "TIMEDOUT"}
    assert said_of(find(run, "each")) == "2 of 2 iterations did not end in time."
    assert [end_of(each) for each in flow.client.jobs.list_runs(job_id=child)] == ["CANCELED"]
    until(lambda: not any(alive(int(pid)) for pid in (tmp_path / "pids").read_text().split()))


def test_a_token_starts_one_run_however_often_it_is_sent(flow: Flow) -> None:
    job_id = flow.create(execute("only", ""))
    other = flow.create(execute("only", ""))
    runs = {flow.start(job_id, idempotency_token="night") for _ in range(3)}
    assert len(runs) == 1
    assert flow.start(job_id, idempotency_token="day") not in runs
    assert flow.start(other, idempotency_token="night") not in runs
    assert len(list(flow.client.jobs.list_runs(job_id=job_id))) == 2
    with pytest.raises(BadRequest, match="up to 64 characters; got 65"):
        flow.start(job_id, idempotency_token="x" * 65)


def test_a_failed_attempt_is_tried_again_as_often_as_the_task_says(flow: Flow) -> None:
    run = flow.run(execute("bad", "raise RuntimeError", max_retries=2))
    attempts = [(task.attempt_number, end_of(task)) for task in run.tasks or []]
    assert attempts == [(0, "FAILED"), (1, "FAILED"), (2, "FAILED")]


def test_what_dbutils_lacks_fails_the_task_by_name(flow: Flow) -> None:
    code = "from databricks.sdk.runtime import dbutils; dbutils.widgets.get('x')"
    task = find(flow.run(execute("asks", code)), "asks")
    output = flow.client.jobs.get_run_output(task.run_id or 0)
    assert output.error == "NotImplementedError: dbutils.widgets is not supported on the laptop."


def test_a_task_of_another_kind_is_refused_before_anything_runs(flow: Flow) -> None:
    book = {"task_key": "book", "notebook_task": {"notebook_path": "/Shared/book"}}
    job_id = flow.create(execute("first", ""), book)
    with pytest.raises(
        BadRequest, match="Task 'book': notebook_task is not supported on the laptop"
    ):
        flow.start(job_id)
    assert list(flow.client.jobs.list_runs(job_id=job_id)) == []


@pytest.fixture
def killed(lonely: Toy, wheel: str) -> Callable[[], Flow]:
    """Give the jobs of a workspace of its own, which each call starts anew."""

    def opened() -> Flow:
        there = lonely.open()
        return Flow(WorkspaceClient(host=there.address, token=there.token), wheel)

    return opened


def test_runs_that_a_killed_workspace_leaves_tell_the_truth_when_it_is_back(
    killed: Callable[[], Flow], lonely: Toy, tmp_path: Path
) -> None:
    code = note_and_sleep(tmp_path / "pids")
    flow = killed()
    child = flow.create(execute("inner", code), name="child")
    run_id = flow.start(
        flow.create(
            execute("done", ""),
            loop("each", "[1, 2]", execute("load", code), "done"),
            call("call", child, "done"),
            execute("after", "", "each"),
        )
    )
    file = tmp_path / "pids"
    until(lambda: file.exists() and len(file.read_text().split()) == 2)
    process = json.loads(lonely.state_dir.connection_file.read_text())["pid"]
    os.kill(process, signal.SIGKILL)
    until(lambda: not any(alive(int(pid)) for pid in (process, *file.read_text().split())))
    flow = killed()
    run = flow.client.jobs.get_run(run_id)
    assert ends(run) == {
        "done": "SUCCESS",
        "each": "CANCELED",
        "call": "CANCELED",
        "after": "CANCELED",
    }
    parts: list[Part] = [run, find(run, "each"), *flow.client.jobs.list_runs(job_id=child)]
    for part in parts:
        assert (end_of(part), said_of(part)) == (
            "CANCELED",
            "The workspace stopped during this run; run the job again.",
        )
        assert part.end_time is not None
    own = flow.client.jobs.get_run(find(run, "each").run_id or 0)
    assert [end_of(each) for each in own.iterations or []] == ["CANCELED", "CANCELED"]
    assert list(flow.client.jobs.list_runs(active_only=True)) == []
    assert ends(flow.run(execute("again", ""))) == {"again": "SUCCESS"}
