import json
import re
import shutil
import signal
import socket
import sys
import urllib.request
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from laptop import connection
from laptop.connection import Connection
from laptop.status import run_sql

from ..conftest import TASKS, Jobs, Toy, alive, execute, ours, results, until

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


def test_version_is_that_of_the_distribution(tmp_path: Path) -> None:
    # No bundle is needed.
    shown = Toy(tmp_path).call("--version")
    assert (shown.status, shown.out) == (0, f"laptop {metadata.version('laptop')}\n")


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
        "many",
        {"task_key": "each", "for_each_task": {"inputs": inputs, "concurrency": 4, "task": load}},
    )
    shown = toy.call("run", "many")
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


def test_the_bundle_is_found_from_below_and_by_dash_c(toy: Toy, tmp_path: Path) -> None:
    below = toy.call("run", "three", "--only", "a", directory=toy.root / "src" / "toy")
    assert below.status == 0, below.err
    nowhere = toy.call("run", "three", directory=tmp_path)
    assert nowhere.status == 1
    assert "no databricks.yml in" in nowhere.err
    assert str(tmp_path) in nowhere.err
    assert "-C DIR" in nowhere.err


def test_up_prints_the_two_exports_alone_and_the_same_ones_again(
    toy: Toy, there: Connection
) -> None:
    expected = f"export DATABRICKS_HOST={there.address}\nexport DATABRICKS_TOKEN={there.token}\n"
    for _ in range(2):
        shown = toy.call("up")
        assert (shown.status, shown.out, shown.err) == (0, expected, "")


@pytest.mark.usefixtures("there")
def test_exec_gives_a_command_what_a_task_has_and_ends_as_it_ends(toy: Toy) -> None:
    asked = (
        "from databricks.sdk import WorkspaceClient; from databricks.sdk.runtime import spark; "
        "print(spark.sql('SELECT 6 * 7').collect()[0][0], WorkspaceClient().current_user.me().id); "
        "raise SystemExit(3)"
    )
    done = toy.start("exec", "--", sys.executable, "-c", asked)
    out, err = done.communicate(timeout=300)
    assert out.split()[:1] == ["42"], err
    assert len(out.split()) == 2
    assert done.returncode == 3


@pytest.mark.usefixtures("there")
def test_exec_ends_its_command_when_it_is_ended_itself(toy: Toy) -> None:
    asked = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with toy.start("exec", "--", sys.executable, "-c", asked) as running:
        assert running.stdout is not None
        pid = int(running.stdout.readline())
        running.terminate()
        running.wait(timeout=60)
    until(lambda: not alive(pid))


def test_exec_refuses_a_command_that_is_not_there(toy: Toy) -> None:
    shown = toy.call("exec", "no-such-command")
    assert shown.status == 1
    assert "There is no command 'no-such-command' on the PATH." in shown.err


def test_a_proxy_is_not_asked_for_what_is_on_this_machine(toy: Toy) -> None:
    process = toy.start("status", http_proxy="http://127.0.0.1:9", no_proxy="", NO_PROXY="")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err


def test_status_as_json_has_the_shape_that_scripts_rely_on(
    toy: Toy, there: Connection, jobs: Jobs
) -> None:
    unity = "/api/2.1/unity-catalog"
    there.ask("POST", f"{unity}/schemas", {"catalog_name": "prod", "name": "shown"})
    run_sql(there, "CREATE TABLE prod.shown.t AS SELECT * FROM range(3)")
    model = {"catalog_name": "prod", "schema_name": "shown", "name": "late"}
    there.ask("POST", f"{unity}/models", model)
    jobs.run(execute("a", "pass"), name="shown")
    shown = toy.call("status", "-o", "json")
    assert shown.status == 0
    found = json.loads(shown.out)
    assert list(found) == ["tables", "models", "endpoints", "runs"]
    assert {"name": "prod.shown.t", "rows": 3} in found["tables"]
    assert {"name": "prod.shown.late", "versions": []} in found["models"]
    run = found["runs"][0]
    assert (run["job"], run["state"]) == ("shown", "SUCCESS")
    assert isinstance(run["run_id"], int)
    assert run["tasks"] == [{"task": "a", "state": "SUCCESS", "values": {}}]
    text = toy.call("status")
    assert re.search(r"prod\.shown\.t +3", text.out)


@pytest.mark.usefixtures("there")
def test_sql_prints_a_table_or_json(toy: Toy) -> None:
    statement = "SELECT 1 AS n, 'a [b]' AS text, CAST(NULL AS INT) AS nothing"
    shown = toy.call("sql", statement)
    assert shown.status == 0
    titles, row = (line.split() for line in shown.out.splitlines())
    assert (titles, row) == (["n", "text", "nothing"], ["1", "a", "[b]", "null"])
    as_json = toy.call("sql", statement, "-o", "json")
    assert json.loads(as_json.out) == [{"n": 1, "text": "a [b]", "nothing": None}]


@pytest.mark.usefixtures("there")
def test_rows_that_are_cut_are_said_to_be(toy: Toy) -> None:
    shown = toy.call("sql", "SELECT * FROM range(10001)", "-o", "json")
    assert len(json.loads(shown.out)) == 10_000
    assert "The first 10,000 rows of 10,001." in shown.err


def test_names_of_a_statement_are_those_of_the_default_targets_schema(
    toy: Toy, there: Connection
) -> None:
    settings = {"catalog_name": "dev", "name": "own"}
    document = {"resources": {"schemas": {"own": settings}}}
    file = toy.root / "jobs" / "own.yml"
    file.write_text(json.dumps(document))
    # Before it is deployed, nothing is assumed.
    assert toy.call("sql", "SELECT 1 AS one").status == 0
    there.ask("POST", "/api/2.1/unity-catalog/schemas", settings)
    run_sql(there, "CREATE TABLE dev.own.few AS SELECT 1.50 AS x")
    shown = toy.call("sql", "SELECT * FROM few", "-o", "json")
    file.unlink()
    assert shown.status == 0, shown.err
    (row,) = json.loads(shown.out)
    assert row["x"] == 1.5


@pytest.mark.usefixtures("there")
def test_report_links_the_pages_of_the_newest_version(toy: Toy, jobs: Jobs) -> None:
    assert "There are: " in toy.call("report", "7").err
    run = jobs.run(execute("log", PAGES))
    assert results(run) == {"log": "SUCCESS"}
    shown = toy.call("report")
    assert shown.status == 0, shown.err
    assert "Version 2 of prod.pages.paged" in shown.out
    (page,) = re.findall(r"^  second  file://(.*)$", shown.out, re.MULTILINE)
    assert Path(page).read_text() == "page of second"
    first = toy.call("report", "1", "--model", "paged")
    assert re.search(r"^  first  file://", first.out, re.MULTILINE)
    assert "second" not in first.out


@pytest.mark.usefixtures("there")
def test_a_failing_statement_is_an_error(toy: Toy) -> None:
    shown = toy.call("sql", "SELECT * FROM dev.nowhere.t")
    assert (shown.status, shown.out) == (1, "")
    assert "Error:" in shown.err
    assert "not found" in shown.err


def test_where_nothing_stands_the_next_step_is_said(lonely: Toy) -> None:
    for command in (["status"], ["sql", "SELECT 1"], ["ui"]):
        shown = lonely.call(*command)
        assert shown.status == 1
        assert "laptop run JOB" in shown.err
    for _ in range(2):
        assert "No workspace is up" in lonely.call("down").err
    assert "Nothing to delete" in lonely.call("reset").err
    assert not lonely.state_dir.path.exists()


def test_two_ups_at_once_give_one_workspace_and_reset_takes_it_away(lonely: Toy) -> None:
    started = [lonely.start("up") for _ in range(2)]
    shown = {process.communicate(timeout=120) for process in started}
    assert [process.returncode for process in started] == [0, 0]
    assert {err for _, err in shown} <= {"", "Starting the workspace…\n"}
    ((out,),) = {(out,) for out, _ in shown}
    there = connection.find(lonely.state_dir)
    assert there is not None
    assert there.address in out
    assert len([each for each in ours(lonely.root) if "laptop.workspace.server" in each]) == 1
    refused = lonely.call("reset", typed="n\n")
    assert refused.status == 1
    assert str(lonely.state_dir.path) in refused.out
    assert connection.find(lonely.state_dir) == there
    assert lonely.call("reset", "--yes").status == 0
    assert not lonely.state_dir.path.exists()
    assert ours(lonely.root) == []


PAGES = """
import mlflow
from databricks.sdk import WorkspaceClient
from mlflow.models import infer_signature
WorkspaceClient().schemas.create("pages", "prod")
mlflow.set_experiment("/Shared/paged")
class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input
for name in ("first", "second"):
    with mlflow.start_run():
        mlflow.log_text("page of " + name, name + ".html")
        mlflow.pyfunc.log_model(
            name="model", python_model=Echo(), signature=infer_signature([1.0], [1.0]),
            registered_model_name="prod.pages.paged", pip_requirements=["mlflow"],
        )
"""

LOG = """
import mlflow
from databricks.sdk.runtime import dbutils
mlflow.set_experiment("/Shared/seen")
with mlflow.start_run() as run:
    mlflow.log_text("of 2013", "card.md")
dbutils.jobs.taskValues.set("run_id", run.info.run_id)
"""


def test_ui_is_mlflows_over_the_same_store(toy: Toy, jobs: Jobs, free_port: int) -> None:
    run = jobs.run(execute("log", LOG))
    assert results(run) == {"log": "SUCCESS"}
    run_id = run["tasks"][0]["values"]["run_id"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port))
        taken.listen()
        process = toy.start("ui", "--port", str(free_port))
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
    assert lines[0] == f"Port {free_port} is taken.\n"
    ((address, place),) = re.findall(r"MLflow on (http://[\d.:]+)/(\S+) ", lines[1])
    assert re.fullmatch(r"#/experiments/\d+/runs", place)
    assert address != f"http://127.0.0.1:{free_port}"

    def ask(path: str) -> bytes | None:
        try:
            with urllib.request.urlopen(f"{address}{path}", timeout=30) as answer:
                return bytes(answer.read())
        except OSError:
            return None

    try:
        until(lambda: ask("/"))
        query = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=/Shared/seen"
        assert json.loads(ask(query) or b"{}")["experiment"]["name"] == "/Shared/seen"
        assert ask(f"/get-artifact?path=card.md&run_uuid={run_id}") == b"of 2013"
    finally:
        process.terminate()
        process.communicate(timeout=120)
