"""`laptop run`: what it shows, and what it starts."""

import json
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from laptop.connection import Connection

from ..conftest import TASKS, Toy, alive, execute, results, until

LAST = "/api/2.2/jobs/runs/list?expand_tasks=true"
EQUAL = {"left": "1", "op": "EQUAL_TO", "right": "1"}
AGAIN = {"max_retries": 1, "min_retry_interval_millis": 5000}
WHO = "import os; print('forked by', os.getppid()); from toy import tasks; print(tasks.__file__)"


def declare(toy: Toy, key: str, *tasks: dict[str, Any], **more: Any) -> None:
    """Add a job to the bundle, of its key's name or another one."""
    spec = {"environment_version": "5", "dependencies": ["../dist/*.whl"]}
    environments = [{"environment_key": "default", "spec": spec}]
    job = {"name": key, "tasks": list(tasks), "environments": environments, **more}
    file = toy.root / "jobs" / f"{key}.yml"
    file.write_text(json.dumps({"resources": {"jobs": {key: job}}}))


def last_run(there: Connection) -> dict[str, Any]:
    run: dict[str, Any] = there.ask("GET", LAST)["runs"][0]
    return run


def test_a_run_shows_its_tasks_and_what_they_left_and_the_next_step(toy: Toy) -> None:
    shown = toy.call("run", "three", "--params", "said=bye")
    assert shown.status == 0, shown.err
    assert re.search(r"Run \d+ of three, target dev\.", shown.out)
    table = shown.out[shown.out.index("task ") :].splitlines()
    assert re.fullmatch(r"a +SUCCESS +[\d.]+ s +x = bye *", table[1])
    assert re.fullmatch(r"b +SUCCESS +[\d.]+ s +taken = --value=bye *", table[2])
    assert re.fullmatch(r"c +SUCCESS +[\d.]+ s +taken = from --value=bye *", table[3])
    assert "b │ took ['--value=bye', '--said=bye']" in shown.out
    assert shown.out.rstrip().endswith("Next: laptop status, laptop ui")


def test_a_failed_run_shows_the_end_of_the_log_and_where_it_lies(toy: Toy) -> None:
    shown = toy.call("run", "failing")
    assert shown.status == 1
    sentence = r"^first +FAILED +[\d.]+ s +RuntimeError: no rows at all"
    assert re.search(sentence, shown.out, re.MULTILINE)
    assert "first failed. RuntimeError: no rows at all" in shown.out
    assert "Building the wheel…" in shown.err
    assert re.search(r"^second +UPSTREAM_FAILED", shown.out, re.MULTILINE)
    assert "│ so far so good" in shown.out
    assert "│ RuntimeError: no rows at all" in shown.out
    log = Path(shown.out.rpartition("The whole log: ")[2].strip())
    assert log.is_relative_to(toy.state_dir.path / "runs")
    assert "RuntimeError: no rows at all" in log.read_text()
    assert re.search(r"Run \d+ did not succeed\. first: RuntimeError: no rows at all", shown.err)


def test_attempts_are_shown_with_their_numbers(toy: Toy) -> None:
    declare(
        toy, "flaky", execute("bad", "import time; time.sleep(0.4); raise RuntimeError", **AGAIN)
    )
    shown = toy.call("run", "flaky")
    assert shown.status == 1
    lines = [re.sub(r"^[\d:]+ |[\d.]+ s$", "", line) for line in shown.out.splitlines()]
    first = lines.index("bad started")
    assert lines[first + 1].startswith("bad FAILED ")
    assert lines[first + 1].endswith(" s RuntimeError")
    assert re.fullmatch(r"bad again \(attempt 2\): Starts in [\d.]+ s\.", lines[first + 2])
    assert lines[first + 3] == "bad started (attempt 2)"
    assert lines[first + 4].startswith("bad FAILED (attempt 2) ")
    assert shown.out.count("The whole log: ") == 1


def test_conditions_loops_and_other_jobs_are_shown_with_what_they_came_to(toy: Toy) -> None:
    declare(toy, "below", execute("inner", "print('said below')"))
    months = [f"month {number}" for number in range(3)]
    load = execute("load", "import sys; assert sys.argv[2] != 'month 1', 'no such month'")
    load["python_wheel_task"]["parameters"].append("{{input}}")
    waits = [{"task_key": "many", "outcome": outcome} for outcome in ("true", "false")]
    more = {"left": "{{job.run_id}}", "op": "GREATER_THAN", "right": "0"}
    declare(
        toy,
        "whole",
        {"task_key": "many", "condition_task": more},
        execute("yes", "") | {"depends_on": waits[:1]},
        execute("no", "") | {"depends_on": waits[1:]},
        {"task_key": "call", "run_job_task": {"job_id": "${resources.jobs.below.id}"}},
        {"task_key": "each", "for_each_task": {"inputs": json.dumps(months), "task": load}},
        execute("after", "", "each"),
    )
    shown = toy.call("run", "whole")
    assert shown.status == 1
    assert "call/inner │ said below" in shown.out
    assert re.search(r"load\[2\] started with \"month 1\"", shown.out)
    assert shown.out.index("call/inner SUCCESS") < shown.out.index("call SUCCESS")
    table = shown.out[shown.out.index("task ") :].splitlines()
    result = {line.split()[0]: line.split(maxsplit=1)[1] for line in table[1:12]}
    patterns = {
        "many": r"SUCCESS +[\d.]+ s +\d+ > 0 is true",
        "yes": r"SUCCESS +[\d.]+ s",
        "no": r"EXCLUDED +'many' is true\.",
        "call": r"SUCCESS +[\d.]+ s +run \d+",
        "call/inner": r"SUCCESS +[\d.]+ s",
        "each": r"FAILED +[\d.]+ s +1 of 3 iterations failed\.",
        "load[1]": r'SUCCESS +[\d.]+ s +with "month 0"',
        "load[2]": r'FAILED +[\d.]+ s +with "month 1"',
        "load[3]": r'SUCCESS +[\d.]+ s +with "month 2"',
    }
    for name, pattern in patterns.items():
        assert re.fullmatch(pattern, result[name].rstrip()), (name, result[name])
    assert re.search(r"^after +UPSTREAM_FAILED +Failed before it: each\.", shown.out, re.MULTILINE)
    assert "each failed. 1 of 3 iterations failed." in shown.out
    assert "load[2] failed. AssertionError: no such month" in shown.out
    assert "did not succeed. load[2]: AssertionError: no such month" in shown.err


def test_of_many_items_the_table_shows_those_that_failed_and_the_logs_of_few(toy: Toy) -> None:
    code = "import sys; assert int(sys.argv[2]) % 5, 'divides by five'"
    load = execute("load", code)
    load["python_wheel_task"]["parameters"].append("{{input}}")
    inputs = json.dumps(list(range(1, 26)))
    declare(
        toy,
        "items",
        {"task_key": "each", "for_each_task": {"inputs": inputs, "concurrency": 4, "task": load}},
    )
    shown = toy.call("run", "items")
    table = shown.out[shown.out.index("task ") :]
    assert re.findall(r"load\[(\d+)\] +FAILED", table) == ["5", "10", "15", "20", "25"]
    assert "SUCCESS" not in table
    assert "and 20 iterations that succeeded" in table
    assert table.count("The whole log: ") == 2
    assert "So did load[15], load[20], load[25]." in table


def test_a_failure_that_was_handled_is_a_success_that_names_it(toy: Toy) -> None:
    handler = execute("handle", "", "bad", run_if="AT_LEAST_ONE_FAILED")
    declare(toy, "handled", execute("bad", "raise RuntimeError"), handler)
    shown = toy.call("run", "handled")
    assert shown.status == 0
    assert "Succeeded, though these failed: bad." in shown.out


def test_jobs_that_refer_to_one_another_are_refused(toy: Toy) -> None:
    for one, other in (("chicken", "egg"), ("egg", "chicken")):
        task = {"task_key": "run", "run_job_task": {"job_id": f"${{resources.jobs.{other}.id}}"}}
        declare(toy, one, task)
    shown = toy.call("run", "egg")
    for name in ("chicken", "egg"):
        (toy.root / "jobs" / f"{name}.yml").unlink()
    assert shown.status == 1
    assert "Jobs of the bundle refer to one another: " in shown.err


def test_only_runs_the_named_tasks(toy: Toy) -> None:
    shown = toy.call("run", "failing", "--only", "second")
    assert shown.status == 0, shown.err
    assert "first" not in shown.out


def test_two_jobs_of_one_name_are_two_jobs(toy: Toy, there: Connection) -> None:
    for name in ("twin1", "twin2"):
        declare(toy, name, {"task_key": name, "condition_task": EQUAL}, name="twins")
        assert toy.call("run", name).status == 0
        assert last_run(there)["tasks"][0]["task_key"] == name
    found = there.ask("GET", "/api/2.2/jobs/list?name=TWINS")["jobs"]
    assert len(found) == 2


@pytest.mark.parametrize("given", [["--params", '"said=a,b"'], ["--", "--said=a,b"]])
def test_a_value_may_hold_a_comma(toy: Toy, given: list[str]) -> None:
    shown = toy.call("run", "three", "--only", "a", *given)
    assert shown.status == 0, shown.err


@pytest.mark.usefixtures("there")
def test_what_one_job_cannot_have_stops_no_other_and_no_command(toy: Toy) -> None:
    file = toy.root / "jobs" / "odd.yml"
    file.write_text(
        "x-anchors: &anchors {a: 1}\nowner: me\n"
        "variables: {house: {lookup: {warehouse: Shared}}, unset: {description: none}}\n"
        "resources:\n  pipelines: {p: {name: p}}\n"
        "  schemas: {lost: {catalog_name: '${var.house}', name: odd}}\n"
        "  jobs:\n    odd:\n      name: odd\n      tasks:\n"
        "        - {task_key: b, condition_task: {left: '1', op: EQUAL_TO, right: '1'}}\n"
        "        - {task_key: p, pipeline_task: {pipeline_id: '${resources.pipelines.p.id}'}}\n"
        "targets: {dev: {variables: {unset: x}}, broken: {}}\n"
    )
    try:
        up = toy.call("up")
        assert up.status == 0
        assert "target broken cannot be resolved" in up.err
        shown = toy.call("run", "three", "--only", "a")
        assert shown.status == 0, shown.err
        assert shown.err.count("Warning:") == 1
        assert "unknown field in the bundle, got 'owner'" in shown.err
        refused = toy.call("run", "odd")
        assert refused.status == 1
        assert "task 'p' needs ${resources.pipelines.p.id}" in refused.err
        assert "--only b" in refused.err
        assert toy.call("run", "odd", "--only", "b").status == 0
    finally:
        file.unlink()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trhee"], ["no job 'trhee'", "failing", "three"]),
        (["three", "--params", "sad=bye"], ["no parameter 'sad'", "There are: said."]),
        (["three", "--params", "said"], ["key=value", "got 'said'"]),
        (["three", "--params", "said=a,said=b"], ["'said' twice"]),
        (["three", "--only", "a,z"], ["no task 'z'", "There are: a, b, c."]),
        (["three", "--only", "b"], ["no task 'a'", "in this run"]),
        (["three", "-t", "test"], ["test", "dev", "prod"]),
        (["three", "--var", "size=5"], ["size"]),
    ],
)
def test_an_unknown_name_lists_what_there_is_and_starts_nothing(
    toy: Toy, there: Connection, arguments: list[str], words: list[str]
) -> None:
    before = there.ask("GET", "/api/2.2/jobs/runs/list")
    shown = toy.call("run", *arguments)
    assert shown.status == 1
    for word in ("Error:", *words):
        assert word in shown.err
    assert there.ask("GET", "/api/2.2/jobs/runs/list") == before


def test_a_build_that_fails_is_shown_and_starts_nothing(toy: Toy, there: Connection) -> None:
    before = there.ask("GET", "/api/2.2/jobs/runs/list")
    project = toy.root / "pyproject.toml"
    text = project.read_text()
    project.write_text(text.replace("uv_build>=0.9,<1", "no such requirement"))
    shown = toy.call("run", "three")
    project.write_text(text)
    assert shown.status == 1
    assert "Building artifact 'wheel' failed" in shown.err
    assert "no such requirement" in shown.err
    assert there.ask("GET", "/api/2.2/jobs/runs/list") == before


def test_a_run_has_the_code_of_now_though_the_fork_server_stays(toy: Toy) -> None:
    declare(toy, "asking", execute("who", f"{WHO}; print('limit', getattr(tasks, 'LIMIT', None))"))
    source = toy.root / "src/toy/tasks.py"
    # One of the same name, in the fork server's folder, comes after the wheel.
    former = toy.state_dir.path / "fork_server" / "toy"
    former.mkdir()
    (former / "tasks.py").write_text(f"{TASKS}\nLIMIT = 'former'\n")
    (former / "__init__.py").touch()
    first = toy.call("run", "asking")
    source.write_text(f"{TASKS}\nLIMIT = 5\n")
    second = toy.call("run", "asking")
    source.write_text(TASKS)
    shutil.rmtree(former)
    assert "limit None" in first.out
    assert "limit 5" in second.out
    parents = [re.search(r"forked by (\d+)", shown.out) for shown in (first, second)]
    assert parents[0] is not None
    assert parents[1] is not None
    assert parents[0][1] == parents[1][1]
    assert f"{toy.state_dir.wheels}/toy-" in second.out


def test_two_runs_started_at_once_both_build_and_run_one_after_the_other(toy: Toy) -> None:
    declare(toy, "queued", execute("one", "import time; time.sleep(0.5)"), queue={"enabled": True})
    started = [toy.start("run", "queued") for _ in range(2)]
    for process in started:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
    runs = toy.open().ask("GET", LAST)["runs"][:2]
    later, earlier = (run["tasks"][0] for run in runs)
    assert earlier["end_time"] <= later["start_time"]


def test_ctrl_c_cancels_the_run_and_ends_its_tasks(
    toy: Toy, there: Connection, tmp_path: Path
) -> None:
    told = tmp_path / "pid"
    told_by = f"open({str(told)!r}, 'w').write(f'{{os.getpid()}}\\n')"
    code = f"import os, time; {told_by}; time.sleep(600)"
    declare(toy, "slow", execute("slow", code))
    process = toy.start("run", "slow")
    until(lambda: told.exists() and told.read_text().endswith("\n"))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "canceled" in err
    until(lambda: results(last_run(there)) == {"slow": "CANCELED"})
    assert not alive(int(told.read_text()))
