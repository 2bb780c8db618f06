"""Publications through the real SDK: what they leave, and what tells of them on the way."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest
from databricks.feature_engineering import FeatureEngineeringClient
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, ResourceConflict
from laptop.features.online import OnlineStore
from laptop.workspace.publishing import FILE
from pyspark.sql.connect.session import SparkSession

from ...conftest import until
from .conftest import Workspace, finish_sync, status, sync_state

pytestmark = pytest.mark.usefixtures("spark")

FOREVER = 3600


@pytest.fixture
def sdk(workspace: Workspace) -> WorkspaceClient:  # noqa: ARG001
    return WorkspaceClient()


@pytest.fixture
def store(workspace: Workspace) -> Iterator[OnlineStore]:
    store = OnlineStore(workspace.state_dir)
    yield store
    store.close()


@pytest.fixture(autouse=True)
def plain(workspace: Workspace) -> Iterator[None]:
    yield
    (workspace.state_dir / FILE).unlink(missing_ok=True)


def tell(workspace: Workspace, **settings: Any) -> None:
    (workspace.state_dir / FILE).write_text(json.dumps(settings))


def rows(**temps: float) -> pa.Table:
    return pa.table(
        {"origin": pa.array([*temps]), "temp": pa.array([*temps.values()], pa.float64())}
    )


def create(fe: FeatureEngineeringClient, spark: SparkSession, name: str, **temps: float) -> None:
    fe.create_table(name=name, primary_keys="origin", df=spark.createDataFrame(rows(**temps)))


def publish(fe: FeatureEngineeringClient, name: str) -> str:
    online = f"{name}_online"
    fe.publish_table(
        online_store=fe.get_online_store(name="s"), source_table_name=name, online_table_name=online
    )
    return online


def temps(store: OnlineStore, name: str, *origins: str) -> list[float | None]:
    table = store.find(name, ["temp"])
    return [row["temp"] for row in store.lookup(table, [(each,) for each in origins], ["temp"])]


def test_states_tell_of_a_first_publication_and_of_a_later_one(
    fe: FeatureEngineeringClient,
    spark: SparkSession,
    sdk: WorkspaceClient,
    store: OnlineStore,
    workspace: Workspace,
    name: str,
) -> None:
    create(fe, spark, name, EWR=1.0)
    tell(workspace, delay_seconds=FOREVER)

    online = publish(fe, name)

    first = status(sdk, online)
    assert sync_state(sdk, online) == "PROVISIONING_INITIAL_SNAPSHOT"
    assert first.last_sync is None
    assert first.pipeline_id
    with pytest.raises(ValueError, match="not published online"):
        store.find(name, ["temp"])

    tell(workspace)
    done = finish_sync(sdk, online)
    assert sync_state(sdk, online) == "ONLINE_NO_PENDING_UPDATE"
    assert temps(store, name, "EWR") == [1.0]

    fe.write_table(name=name, df=spark.createDataFrame(rows(EWR=2.0, JFK=3.0)))
    tell(workspace, delay_seconds=FOREVER)
    publish(fe, name)
    assert sync_state(sdk, online) == "ONLINE_TRIGGERED_UPDATE"
    assert status(sdk, online).last_sync == done.last_sync
    assert temps(store, name, "EWR", "JFK") == [1.0, None]

    tell(workspace)
    later = finish_sync(sdk, online)
    assert sync_state(sdk, online) == "ONLINE_NO_PENDING_UPDATE"
    assert temps(store, name, "EWR", "JFK") == [2.0, 3.0]
    assert done.last_sync
    assert later.last_sync
    starts = [done.last_sync.sync_start_timestamp, later.last_sync.sync_start_timestamp]
    assert datetime.fromisoformat(starts[0] or "") < datetime.fromisoformat(starts[1] or "")
    info = [done.last_sync.delta_table_sync_info, later.last_sync.delta_table_sync_info]
    assert info[0]
    assert info[1]
    assert (info[0].delta_commit_version or 0) < (info[1].delta_commit_version or 0)
    committed = datetime.fromisoformat(info[1].delta_commit_timestamp or "")
    assert committed < datetime.fromisoformat(later.last_sync.sync_end_timestamp or "")


def test_a_second_publication_is_refused_while_one_is_in_progress(
    fe: FeatureEngineeringClient,
    spark: SparkSession,
    sdk: WorkspaceClient,
    workspace: Workspace,
    name: str,
) -> None:
    create(fe, spark, name, EWR=1.0)
    tell(workspace, delay_seconds=FOREVER)
    online = publish(fe, name)

    with pytest.raises(ResourceConflict, match=r"active update already exists.*in progress"):
        publish(fe, name)

    tell(workspace)
    finish_sync(sdk, online)
    publish(fe, name)
    assert finish_sync(sdk, online).detailed_state
    assert sync_state(sdk, online) == "ONLINE_NO_PENDING_UPDATE"


def test_a_failed_first_publication_leaves_nothing_online(
    fe: FeatureEngineeringClient,
    spark: SparkSession,
    sdk: WorkspaceClient,
    store: OnlineStore,
    workspace: Workspace,
    name: str,
) -> None:
    create(fe, spark, name, EWR=1.0)
    tell(workspace, failures={f"{name}_online": "No space is left."})

    online = publish(fe, name)

    failed = finish_sync(sdk, online)
    assert sync_state(sdk, online) == "OFFLINE_FAILED"
    assert failed.message == "No space is left."
    assert failed.last_sync is None
    with pytest.raises(ValueError, match="not published online"):
        store.find(name, ["temp"])

    tell(workspace)
    publish(fe, name)
    finish_sync(sdk, online)
    assert temps(store, name, "EWR") == [1.0]


def test_a_failed_later_publication_leaves_the_old_rows(
    fe: FeatureEngineeringClient,
    spark: SparkSession,
    sdk: WorkspaceClient,
    store: OnlineStore,
    workspace: Workspace,
    name: str,
) -> None:
    create(fe, spark, name, EWR=1.0)
    online = publish(fe, name)
    done = finish_sync(sdk, online)
    fe.write_table(name=name, df=spark.createDataFrame(rows(EWR=2.0)))
    tell(workspace, failures={"*": "The pipeline has failed."})

    publish(fe, name)

    failed = finish_sync(sdk, online)
    assert sync_state(sdk, online) == "ONLINE_PIPELINE_FAILED"
    assert failed.message == "The pipeline has failed."
    assert failed.last_sync == done.last_sync
    assert temps(store, name, "EWR") == [1.0]


def test_what_the_sync_finds_wrong_is_told_by_the_state(
    fe: FeatureEngineeringClient, spark: SparkSession, sdk: WorkspaceClient, name: str
) -> None:
    create(fe, spark, name, EWR=1.0)
    spark.sql(f"INSERT INTO {name} VALUES ('EWR', 2.0)")

    online = publish(fe, name)

    assert "repeat the key ['origin']" in (finish_sync(sdk, online).message or "")
    assert sync_state(sdk, online) == "OFFLINE_FAILED"


def test_an_online_table_shows_one_source(
    fe: FeatureEngineeringClient, spark: SparkSession, sdk: WorkspaceClient, name: str
) -> None:
    create(fe, spark, name, EWR=1.0)
    create(fe, spark, f"{name}b", EWR=1.0)
    online = publish(fe, name)
    finish_sync(sdk, online)

    with pytest.raises(BadRequest, match=f"shows {name}, and cannot show {name}b"):
        fe.publish_table(
            online_store=fe.get_online_store(name="s"),
            source_table_name=f"{name}b",
            online_table_name=online,
        )


def test_an_online_table_that_is_deleted_while_it_syncs_is_gone(
    fe: FeatureEngineeringClient,
    spark: SparkSession,
    sdk: WorkspaceClient,
    store: OnlineStore,
    workspace: Workspace,
    name: str,
) -> None:
    create(fe, spark, name, EWR=1.0)
    tell(workspace, delay_seconds=FOREVER)
    online = publish(fe, name)

    sdk.feature_store.delete_online_table(online)

    with pytest.raises(NotFound, match=f"Synced table '{online}' does not exist"):
        sdk.database.get_synced_database_table(online)
    with pytest.raises(NotFound, match=f"Online table '{online}' does not exist"):
        sdk.feature_store.delete_online_table(online)
    tell(workspace)
    until(lambda: not workspace.synced.busy)
    with pytest.raises(ValueError, match="not published online"):
        store.find(name, ["temp"])
    publish(fe, name)
    finish_sync(sdk, online)
    assert temps(store, name, "EWR") == [1.0]


def test_settings_that_cannot_be_read_fail_the_publication(
    fe: FeatureEngineeringClient,
    spark: SparkSession,
    sdk: WorkspaceClient,
    workspace: Workspace,
    name: str,
) -> None:
    create(fe, spark, name, EWR=1.0)
    (workspace.state_dir / FILE).write_text("[]")

    online = publish(fe, name)

    assert "Correct it, or delete it" in (finish_sync(sdk, online).message or "")
