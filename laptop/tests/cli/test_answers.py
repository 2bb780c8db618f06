import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.catalog import VolumeType
from laptop.engine.session import connect

from .conftest import Databricks

HOME = "/Workspace/Users/laptop@localhost"
MODEL = "dev.answers.late"
SHELF = "/Volumes/dev/answers/shelf"
EXPERIMENT = "/Users/laptop@localhost/answers"


@pytest.fixture(scope="module")
def standing(databricks: Databricks, client: WorkspaceClient) -> Iterator[Databricks]:
    """Yield the CLI over a workspace in which one thing of each kind stands."""
    client.schemas.create("answers", "dev")
    client.registered_models.create(catalog_name="dev", schema_name="answers", name="late")
    client.experiments.create_experiment(EXPERIMENT)
    client.volumes.create("dev", "answers", "shelf", VolumeType.MANAGED)
    client.files.upload(f"{SHELF}/deep/one.txt", io.BytesIO(b"one\n"))
    spark = connect(databricks.there.spark)
    spark.sql("CREATE TABLE dev.answers.counted (n BIGINT)").collect()
    spark.stop()
    client.workspace.mkdirs(f"{HOME}/answers")
    client.api_client.do(
        "POST", f"/api/2.0/workspace-files/import-file{HOME}/answers/one.txt", data=b"one\n"
    )
    yield databricks
    client.workspace.delete(f"{HOME}/answers", recursive=True)
    client.registered_models.delete(MODEL)
    client.schemas.delete("dev.answers", force=True)


def pick(found: Any, *path: str | int) -> Any:
    """Return what lies at the end of keys and positions."""
    for step in path:
        found = found[step]
    return found


@pytest.mark.parametrize(
    ("command", "path", "value"),
    [
        ("current-user me", ["userName"], "laptop@localhost"),
        ("catalogs list", [0, "name"], "dev"),
        ("schemas get dev.answers", ["owner"], "laptop@localhost"),
        ("tables list dev answers", [0, "full_name"], "dev.answers.counted"),
        ("tables get dev.answers.counted", ["columns", 0, "name"], "n"),
        ("tables exists dev.answers.counted", ["table_exists"], True),
        ("tables exists dev.answers.other", ["table_exists"], False),
        (f"registered-models get {MODEL}", ["name"], "late"),
        ("registered-models list --catalog-name dev --schema-name answers", [0, "name"], "late"),
        (f"grants get function {MODEL}", [], {}),
        (f"experiments get-by-name {EXPERIMENT}", ["experiment", "name"], EXPERIMENT),
        ("experiments search-experiments --max-results 1", [0, "name"], EXPERIMENT),
        ("warehouses list", [0, "id"], "laptop"),
        ("warehouses get laptop", ["state"], "RUNNING"),
        (f"workspace list {HOME}/answers", [0, "path"], f"{HOME}/answers/one.txt"),
        (f"workspace list {HOME}/answers", [0, "size"], 4),
        (f"workspace get-status {HOME}/answers", ["object_type"], "DIRECTORY"),
        (f"fs ls dbfs:{HOME}/answers", [0, "name"], "one.txt"),
        ("volumes list dev answers", [0, "full_name"], "dev.answers.shelf"),
        ("volumes read dev.answers.shelf", ["volume_type"], "MANAGED"),
        (f"fs ls dbfs:{SHELF}/deep", [0, "name"], "one.txt"),
    ],
)
def test_the_cli_is_answered(
    standing: Databricks, command: str, path: list[str | int], value: object
) -> None:
    assert pick(standing.read(*command.split()), *path) == value


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (f"workspace export {HOME}/answers/one.txt", "one\n"),
        (f"fs cat dbfs:{HOME}/answers/one.txt", "one\n"),
        ("model-versions list dev.answers.late -o json", "[]\n"),
        ("serving-endpoints list -o json", "[]\n"),
        ("jobs list-runs --active-only -o json", "[]\n"),
    ],
)
def test_the_cli_is_answered_with_the_whole_of_it(
    standing: Databricks, command: str, text: str
) -> None:
    assert standing.succeed(*command.split()).replace("[\n  \n]", "[]") == text


def test_a_statement_is_run_by_the_warehouse(standing: Databricks) -> None:
    body = '{"statement": "SELECT 1 AS one", "warehouse_id": "laptop"}'
    answer = standing.read("api", "post", "/api/2.0/sql/statements", "--json", body)
    assert answer["result"]["data_array"] == [["1"]]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("schemas get dev.nowhere", "Schema 'dev.nowhere' does not exist"),
        ("tables get dev.answers.none", "Table 'dev.answers.none' does not exist"),
        ("tables delete dev.answers.none", "Table 'dev.answers.none' does not exist"),
        ("registered-models get dev.answers.none", "Model 'dev.answers.none' does not exist"),
        ("model-versions get dev.answers.late 7", "Version of model 'dev.answers.late' '7'"),
        ("model-versions get-by-alias dev.answers.late Champion", "Alias 'Champion'"),
        ("serving-endpoints get none", "Endpoint 'none' does not exist"),
        ("serving-endpoints delete none", "Endpoint 'none' does not exist"),
        ("experiments get-experiment 999", "Experiment '999' does not exist"),
        ("warehouses get other", "Warehouse 'other' does not exist. There are: laptop."),
        ("permissions get jobs 99999", "jobs '99999' does not exist"),
        ("workspace list /nowhere", "Path (/nowhere) doesn't exist"),
        ("fs ls dbfs:/nowhere", "no such directory: /nowhere"),
        (f"fs ls dbfs:{SHELF}/nowhere", f"no such directory: {SHELF}/nowhere"),
        ("volumes read dev.answers.none", "Volume 'dev.answers.none' does not exist"),
        ("jobs get 99999", "Job '99999' does not exist"),
        ("jobs get-run 99999", "Run '99999' does not exist"),
    ],
)
def test_what_is_not_there_is_said(standing: Databricks, command: str, words: str) -> None:
    shown = standing.call(*command.split())
    assert shown.status == 1
    assert words in shown.err


@pytest.mark.parametrize(
    ("command", "request_line"),
    [
        ("clusters list", "GET /api/2.1/clusters/list"),
        ("secrets list-scopes", "GET /api/2.0/secrets/scopes/list"),
        ("pipelines list-pipelines", "GET /api/2.0/pipelines"),
        ("permissions get clusters 1", "Permissions of clusters"),
        ("grants get external_location other", "Privileges on a external_location"),
    ],
)
def test_what_is_not_built_is_said(standing: Databricks, command: str, request_line: str) -> None:
    shown = standing.call(*command.split())
    assert shown.status == 1
    assert request_line in shown.err
    assert "not supported on the laptop" in shown.err


def test_the_cli_copies_prints_and_removes_files_of_a_volume(
    standing: Databricks, tmp_path: Path
) -> None:
    (tmp_path / "two.txt").write_text("two\n")
    standing.succeed("fs", "mkdir", f"dbfs:{SHELF}/new")
    standing.succeed("fs", "cp", str(tmp_path / "two.txt"), f"dbfs:{SHELF}/new/two.txt")
    assert standing.succeed("fs", "cat", f"dbfs:{SHELF}/new/two.txt") == "two\n"
    again = standing.call("fs", "cp", str(tmp_path / "two.txt"), f"dbfs:{SHELF}/new/two.txt")
    assert "already exists" in again.out + again.err
    standing.succeed("fs", "rm", "-r", f"dbfs:{SHELF}/new")
    gone = standing.call("fs", "ls", f"dbfs:{SHELF}/new")
    assert gone.status == 1
