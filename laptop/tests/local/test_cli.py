"""The other commands of `laptop`."""

import json
import re
import socket
import sys
import urllib.request
from importlib import metadata
from pathlib import Path

import pytest
from laptop import connection
from laptop.connection import Connection
from laptop.status import run_sql

from ..conftest import Jobs, Toy, alive, execute, ours, results, until


def test_version_is_that_of_the_distribution(tmp_path: Path) -> None:
    # No bundle is needed.
    shown = Toy(tmp_path).call("--version")
    assert (shown.status, shown.out) == (0, f"laptop {metadata.version('laptop')}\n")


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
        assert "No workspace is running" in lonely.call("down").err
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
