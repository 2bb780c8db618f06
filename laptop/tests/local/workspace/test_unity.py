import shutil
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, ResourceAlreadyExists, ResourceConflict
from databricks.sdk.service.catalog import PrimaryKeyConstraint, TableConstraint
from laptop.connection import Connection, RequestRefused
from laptop.engine.session import connect
from laptop.state_dir import StateDir
from laptop.status import run_sql
from pyspark.errors import PySparkException
from pyspark.sql.connect.session import SparkSession


@pytest.fixture(scope="module")
def spark(there: Connection) -> Iterator[SparkSession]:
    session = connect(there.spark)
    yield session
    session.stop()


@pytest.fixture(scope="module")
def schema(client: WorkspaceClient) -> str:
    return str(client.schemas.create("unity", "dev").full_name)


def folders(state_dir: StateDir) -> set[Path]:
    return set((state_dir.path / "tables").glob("*"))


def test_catalogs_are_there_from_the_start(client: WorkspaceClient) -> None:
    assert {"dev", "staging", "prod"} <= {c.name for c in client.catalogs.list()}
    assert client.catalogs.get("prod").name == "prod"
    with pytest.raises(NotFound, match=r"Catalog 'test' does not exist\. There are: .*dev, .*prod"):
        client.catalogs.get("test")


def test_a_schema_is_made_changed_and_removed(client: WorkspaceClient) -> None:
    made = client.schemas.create("brief", "dev", comment="for a while")
    assert made.full_name == "dev.brief"
    assert client.schemas.get("dev.brief").comment == "for a while"
    client.schemas.update("dev.brief", comment="for long")
    assert client.schemas.get("dev.brief").comment == "for long"
    with pytest.raises((ResourceAlreadyExists, ResourceConflict)):
        client.schemas.create("brief", "dev")
    client.schemas.delete("dev.brief")
    assert "brief" not in [s.name for s in client.schemas.list("dev")]
    with pytest.raises(NotFound, match=r"'dev\.brief' does not exist"):
        client.schemas.get("dev.brief")


def test_a_schema_needs_its_catalog(client: WorkspaceClient) -> None:
    with pytest.raises(NotFound, match="Catalog 'nowhere'"):
        client.schemas.create("brief", "nowhere")


def test_a_table_is_seen_by_its_columns_and_removed_with_its_files(
    client: WorkspaceClient, spark: SparkSession, schema: str, shared: StateDir
) -> None:
    before = folders(shared)
    spark.sql(f"CREATE TABLE {schema}.gone (id BIGINT NOT NULL, name STRING)").collect()
    spark.sql(f"INSERT INTO {schema}.gone VALUES (1, 'a')").collect()
    table = client.tables.get(f"{schema}.gone")
    assert [column.name for column in table.columns or []] == ["id", "name"]
    (folder,) = folders(shared) - before
    assert folder.name == table.table_id
    assert list(folder.glob("*.parquet"))
    spark.sql(f"DROP TABLE {schema}.gone").collect()
    assert folders(shared) == before
    with pytest.raises(NotFound, match="Table"):
        client.tables.get(f"{schema}.gone")


def test_a_schema_that_holds_a_table_is_removed_by_force_alone(
    client: WorkspaceClient, spark: SparkSession, shared: StateDir
) -> None:
    client.schemas.create("full", "dev")
    before = folders(shared)
    spark.sql("CREATE TABLE dev.full.t (id BIGINT)").collect()
    with pytest.raises(BadRequest, match=r"not empty: it has t\."):
        client.schemas.delete("dev.full")
    client.schemas.delete("dev.full", force=True)
    assert folders(shared) == before
    with pytest.raises(NotFound):
        client.tables.get("dev.full.t")


def test_a_primary_key_is_recorded_once_and_of_columns_that_are_there(
    client: WorkspaceClient, spark: SparkSession, schema: str
) -> None:
    name = f"{schema}.keyed"
    spark.sql(f"CREATE TABLE {name} (id BIGINT NOT NULL, at TIMESTAMP NOT NULL)").collect()

    def key(*columns: str) -> TableConstraint:
        return TableConstraint(
            primary_key_constraint=PrimaryKeyConstraint(
                name="pk", child_columns=list(columns), timeseries_columns=["at"]
            )
        )

    with pytest.raises(NotFound, match=r"Column 'key' does not exist\. There are: at, id"):
        client.table_constraints.create(name, key("key"))
    client.table_constraints.create(name, key("id", "at"))
    (constraint,) = client.tables.get(name).table_constraints or []
    assert constraint.primary_key_constraint is not None
    assert constraint.primary_key_constraint.child_columns == ["id", "at"]
    assert constraint.primary_key_constraint.timeseries_columns == ["at"]
    with pytest.raises((ResourceAlreadyExists, ResourceConflict), match="has a primary key"):
        client.table_constraints.create(name, key("id"))


@pytest.mark.usefixtures("schema")
@pytest.mark.parametrize("place", ["file:///tmp/elsewhere", "{tables}/..", "{tables}/", "s3://b/t"])
def test_a_table_at_a_place_of_its_own_is_refused(
    there: Connection, shared: StateDir, place: str
) -> None:
    location = place.format(tables=(shared.path / "tables").as_uri())
    body = {
        "catalog_name": "dev",
        "schema_name": "unity",
        "name": "external",
        "storage_location": location,
    }
    with pytest.raises(RequestRefused, match="with a location of its own") as caught:
        there.ask("POST", "/api/2.1/unity-catalog/tables", body)
    assert caught.value.status == 501


def test_no_insert_is_lost_when_two_sessions_write_at_once(
    there: Connection, spark: SparkSession, schema: str
) -> None:
    name = f"{schema}.busy"
    spark.sql(f"CREATE TABLE {name} (who BIGINT, n BIGINT)").collect()
    problems: list[Exception] = []

    def insert(session: SparkSession, who: int, number: int) -> None:
        try:
            session.sql(f"INSERT INTO {name} VALUES ({who}, {number})").collect()
        except PySparkException as error:
            # Unlike Databricks, the engine does not try a lost race again by itself.
            if "commit conflict" not in str(error):
                raise
            insert(session, who, number)

    def insert_all(who: int) -> None:
        session = connect(there.spark)
        try:
            for number in range(10):
                insert(session, who, number)
        except Exception as error:
            problems.append(error)
        finally:
            session.stop()

    threads = [threading.Thread(target=insert_all, args=(who,)) for who in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    rows = sorted(tuple(row) for row in spark.sql(f"SELECT who, n FROM {name}").collect())
    assert rows == [(who, number) for who in range(2) for number in range(10)]


def test_a_lost_race_leaves_the_table_readable(
    there: Connection, client: WorkspaceClient, spark: SparkSession, schema: str, shared: StateDir
) -> None:
    name = f"{schema}.raced"
    spark.sql(f"CREATE TABLE {name} (n BIGINT)").collect()
    spark.sql(f"INSERT INTO {name} VALUES (1)").collect()
    table_id = str(client.tables.get(name).table_id)
    staged = shared.path / "tables" / table_id / "_delta_log" / "_staged_commits"
    (winner,) = staged.iterdir()
    loser = f"{winner.name.split('.')[0]}.{uuid.uuid4()}.json"
    shutil.copyfile(winner, winner.with_name(loser))
    for number in (2, 3):
        spark.sql(f"INSERT INTO {name} VALUES ({number})").collect()
    answer = run_sql(there, f"SELECT n FROM {name} ORDER BY n")
    assert answer["result"]["data_array"] == [["1"], ["2"], ["3"]]


def test_a_commit_of_a_version_that_exists_is_refused(there: Connection) -> None:
    path = "/api/2.1/unity-catalog/delta/preview/commits"
    first = {"version": 1, "file_name": "a.json"}
    there.ask("POST", path, {"table_id": "t", "commit_info": first})
    with pytest.raises(RequestRefused, match="Version 1 exists") as caught:
        there.ask("POST", path, {"table_id": "t", "commit_info": {"version": 1}})
    assert caught.value.status == 409
    there.ask("POST", path, {"table_id": "t", "commit_info": {"version": 2, "file_name": "b.json"}})
    there.ask("POST", path, {"table_id": "t", "latest_backfilled_version": 1})
    left = there.ask("GET", path, {"table_id": "t", "start_version": 1})
    assert left["latest_table_version"] == 2
    assert [commit["file_name"] for commit in left["commits"]] == ["a.json", "b.json"]
