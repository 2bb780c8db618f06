"""Publications through the real SDK: what they leave, and what tells of them on the way."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest
from databricks.feature_engineering import FeatureEngineeringClient
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, ResourceConflict
from databricks.sdk.service.database import SyncedTableStatus
from laptop.features.online import OnlineStore
from laptop.workspace.publishing import FILE
from pyspark.sql import DataFrame
from pyspark.sql.connect.session import SparkSession

from ...conftest import until
from .conftest import Workspace, finish_sync, status, sync_state

FOREVER = 3600


@dataclass(frozen=True)
class Shop:
    """A feature table, its publications and what is online, in a workspace of the session.

    Attributes:
        table: Name of a table that is not there yet.
    """

    fe: FeatureEngineeringClient
    spark: SparkSession
    sdk: WorkspaceClient
    store: OnlineStore
    workspace: Workspace
    table: str

    @property
    def online(self) -> str:
        return f"{self.table}_online"

    @property
    def state(self) -> str:
        return sync_state(self.sdk, self.online)

    def frame(self, **temps: float) -> DataFrame:
        rows = {"origin": pa.array([*temps]), "temp": pa.array([*temps.values()], pa.float64())}
        return self.spark.createDataFrame(pa.table(rows))

    def create(self, name: str = "", **temps: float) -> None:
        """Create the feature table, or another one."""
        name = name or self.table
        self.fe.create_table(name=name, primary_keys="origin", df=self.frame(**temps))

    def publish(self, name: str = "", mode: str = "TRIGGERED") -> None:
        """Publish the feature table, or another one, under the name of the first."""
        self.fe.publish_table(
            online_store=self.fe.get_online_store(name="s"),
            source_table_name=name or self.table,
            online_table_name=self.online,
            publish_mode=mode,
        )

    def finish(self) -> SyncedTableStatus:
        return finish_sync(self.sdk, self.online)

    def tell(self, **settings: Any) -> None:
        """Write how publications go."""
        (self.workspace.state_dir / FILE).write_text(json.dumps(settings))

    def temps(self, *origins: str) -> list[float | None]:
        """Return what is online for these keys."""
        table = self.store.find(self.table, ["temp"])
        keys = [(each,) for each in origins]
        return [row["temp"] for row in self.store.lookup(table, keys, ["temp"])]

    def check_not_online(self) -> None:
        with pytest.raises(ValueError, match="not published online"):
            self.store.find(self.table, ["temp"])


@pytest.fixture
def shop(
    fe: FeatureEngineeringClient, spark: SparkSession, workspace: Workspace, name: str
) -> Iterator[Shop]:
    store = OnlineStore(workspace.state_dir)
    yield Shop(fe, spark, WorkspaceClient(), store, workspace, name)
    store.close()
    (workspace.state_dir / FILE).unlink(missing_ok=True)


def test_states_tell_of_a_first_publication_and_of_a_later_one(shop: Shop) -> None:
    shop.create(EWR=1.0)
    shop.tell(delay_seconds=FOREVER)

    shop.publish()

    first = status(shop.sdk, shop.online)
    assert shop.state == "PROVISIONING_INITIAL_SNAPSHOT"
    assert first.last_sync is None
    assert first.pipeline_id
    shop.check_not_online()

    shop.tell()
    done = shop.finish()
    assert shop.state == "ONLINE_NO_PENDING_UPDATE"
    assert shop.temps("EWR") == [1.0]

    shop.fe.write_table(name=shop.table, df=shop.frame(EWR=2.0, JFK=3.0))
    shop.tell(delay_seconds=FOREVER)
    shop.publish()
    assert shop.state == "ONLINE_TRIGGERED_UPDATE"
    assert status(shop.sdk, shop.online).last_sync == done.last_sync
    assert shop.temps("EWR", "JFK") == [1.0, None]

    shop.tell()
    later = shop.finish()
    assert shop.state == "ONLINE_NO_PENDING_UPDATE"
    assert shop.temps("EWR", "JFK") == [2.0, 3.0]
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


def test_a_continuous_publication_follows_its_table(shop: Shop) -> None:
    shop.create(EWR=1.0)
    shop.publish(mode="CONTINUOUS")
    until(lambda: shop.state == "ONLINE_CONTINUOUS_UPDATE")
    assert shop.temps("EWR") == [1.0]

    shop.fe.write_table(name=shop.table, df=shop.frame(EWR=2.0, JFK=3.0))
    until(lambda: shop.temps("EWR", "JFK") == [2.0, 3.0])
    told = status(shop.sdk, shop.online)
    assert told.continuous_update_status
    assert told.last_sync
    assert told.last_sync.delta_table_sync_info
    version = told.last_sync.delta_table_sync_info.delta_commit_version
    assert told.continuous_update_status.last_processed_commit_version == version

    shop.spark.sql(f"DROP TABLE {shop.table}")
    until(lambda: shop.state == "ONLINE_PIPELINE_FAILED")
    shop.sdk.feature_store.delete_online_table(shop.online)


def test_a_second_publication_is_refused_while_one_is_in_progress(shop: Shop) -> None:
    shop.create(EWR=1.0)
    shop.tell(delay_seconds=FOREVER)
    shop.publish()

    with pytest.raises(ResourceConflict, match=r"active update already exists.*in progress"):
        shop.publish()

    shop.tell()
    shop.finish()
    shop.publish()
    assert shop.finish().detailed_state
    assert shop.state == "ONLINE_NO_PENDING_UPDATE"


def test_a_failed_first_publication_leaves_nothing_online(shop: Shop) -> None:
    shop.create(EWR=1.0)
    shop.tell(failures={shop.online: "No space is left."})

    shop.publish()

    failed = shop.finish()
    assert shop.state == "OFFLINE_FAILED"
    assert failed.message == "No space is left."
    assert failed.last_sync is None
    shop.check_not_online()

    shop.tell()
    shop.publish()
    shop.finish()
    assert shop.temps("EWR") == [1.0]


def test_a_failed_later_publication_leaves_the_old_rows(shop: Shop) -> None:
    shop.create(EWR=1.0)
    shop.publish()
    done = shop.finish()
    shop.fe.write_table(name=shop.table, df=shop.frame(EWR=2.0))
    shop.tell(failures={"*": "The pipeline has failed."})

    shop.publish()

    failed = shop.finish()
    assert shop.state == "ONLINE_PIPELINE_FAILED"
    assert failed.message == "The pipeline has failed."
    assert failed.last_sync == done.last_sync
    assert shop.temps("EWR") == [1.0]


def test_what_the_sync_finds_wrong_is_told_by_the_state(shop: Shop) -> None:
    shop.create(EWR=1.0)
    shop.spark.sql(f"INSERT INTO {shop.table} VALUES ('EWR', 2.0)")

    shop.publish()

    assert "repeat the key ['origin']" in (shop.finish().message or "")
    assert shop.state == "OFFLINE_FAILED"


def test_an_online_table_shows_one_source(shop: Shop) -> None:
    shop.create(EWR=1.0)
    shop.create(f"{shop.table}b", EWR=1.0)
    shop.publish()
    shop.finish()

    with pytest.raises(BadRequest, match=f"shows {shop.table}, and cannot show {shop.table}b"):
        shop.publish(f"{shop.table}b")


def test_an_online_table_that_is_deleted_while_it_syncs_is_gone(shop: Shop) -> None:
    shop.create(EWR=1.0)
    shop.tell(delay_seconds=FOREVER)
    shop.publish()

    shop.sdk.feature_store.delete_online_table(shop.online)

    with pytest.raises(NotFound, match=f"Synced table '{shop.online}' does not exist"):
        shop.sdk.database.get_synced_database_table(shop.online)
    with pytest.raises(NotFound, match=f"Online table '{shop.online}' does not exist"):
        shop.sdk.feature_store.delete_online_table(shop.online)
    shop.tell()
    until(lambda: not shop.workspace.synced.busy)
    shop.check_not_online()
    shop.publish()
    shop.finish()
    assert shop.temps("EWR") == [1.0]


def test_settings_that_cannot_be_read_fail_the_publication(shop: Shop) -> None:
    shop.create(EWR=1.0)
    (shop.workspace.state_dir / FILE).write_text("[]")

    shop.publish()

    assert "Correct it, or delete it" in (shop.finish().message or "")
