import json
import os
import signal

import pyarrow as pa
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from databricks.sdk.service.catalog import PrimaryKeyConstraint, TableConstraint
from databricks.sdk.service.database import SyncedTableState
from databricks.sdk.service.ml import PublishSpec, PublishSpecPublishMode
from laptop import connection
from laptop.features.errors import FeatureError
from laptop.features.online import OnlineStore
from laptop.state_dir import StateDir
from laptop.workspace.publishing import FILE

from ...conftest import Toy, alive, until
from ...tables import feature_table

SOURCE, ONLINE = "dev.shop.f", "dev.shop.f_online"


def open_client(toy: Toy) -> WorkspaceClient:
    there = toy.open()
    return WorkspaceClient(host=there.address, token=there.token)


def state(client: WorkspaceClient) -> SyncedTableState | None:
    status = client.database.get_synced_database_table(ONLINE).data_synchronization_status
    return status.detailed_state if status else None


def publish(client: WorkspaceClient) -> None:
    spec = PublishSpec("s", ONLINE, PublishSpecPublishMode.TRIGGERED)
    client.feature_store.publish_table(SOURCE, spec)


@pytest.mark.nightly
def test_a_sync_that_a_killed_workspace_leaves_is_taken_up_by_the_next(
    lonely: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No task runs here.
    monkeypatch.setenv("LAPTOP_NO_FORK", "1")
    client = open_client(lonely)
    client.schemas.create("shop", "dev")
    for statement in (
        f"CREATE TABLE {SOURCE} (id BIGINT NOT NULL, x DOUBLE) USING DELTA",
        f"INSERT INTO {SOURCE} VALUES (9007199254740993, 1.5)",
    ):
        client.statement_execution.execute_statement(statement, "laptop")
    key = PrimaryKeyConstraint("pk", ["id"])
    client.table_constraints.create(SOURCE, TableConstraint(primary_key_constraint=key))
    (lonely.state_dir.path / FILE).write_text(json.dumps({"delay_seconds": 3600}))
    publish(client)
    running = connection.find(lonely.state_dir)
    assert running
    os.kill(running.pid, signal.SIGKILL)
    until(lambda: not alive(running.pid))
    (lonely.state_dir.path / FILE).unlink()

    client = open_client(lonely)

    until(lambda: state(client) == SyncedTableState.SYNCED_TABLE_ONLINE_NO_PENDING_UPDATE)
    publish(client)
    until(lambda: state(client) == SyncedTableState.SYNCED_TABLE_ONLINE_NO_PENDING_UPDATE)
    status = client.database.get_synced_database_table(ONLINE).data_synchronization_status
    assert status
    assert status.message == f"Nothing has changed in {SOURCE}."


def test_deleted_online_table_is_gone(client: WorkspaceClient, shared: StateDir) -> None:
    table = feature_table("c.s.weather", ["origin"], origin="string", temp="double")
    rows = pa.table({"origin": ["EWR"], "temp": [3.0]})
    store = OnlineStore(shared.path)
    store.publish(table, rows, store="s", online_table="c.s.weather_online")

    client.feature_store.delete_online_table("c.s.weather_online")

    with pytest.raises(FeatureError, match="not published online"):
        store.find("c.s.weather", ["temp"])
    store.close()
    with pytest.raises(NotFound, match=r"'c\.s\.weather_online' does not exist"):
        client.feature_store.delete_online_table("c.s.weather_online")
