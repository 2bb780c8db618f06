import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import databricks
import pyarrow as pa
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.database import SyncedTableState, SyncedTableStatus
from laptop.engine import sail
from laptop.engine.session import connect
from laptop.jobs.task_environment import RUNTIME
from laptop.workspace import feature_store, functions, unity
from laptop.workspace.app import create_app
from laptop.workspace.state import State
from laptop.workspace.synced_tables import SyncedTables
from pyspark.sql import DataFrame
from pyspark.sql.connect.session import SparkSession

from ...apps import listen, served
from ...conftest import until

with warnings.catch_warnings():
    # MLflow warns while it is imported, which the test run would take for an error.
    warnings.simplefilter("ignore")
    import mlflow.pyfunc
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

# The SDK may have been imported before, with a path that knew nothing of the runtime.
databricks.__path__.append(str(RUNTIME / "databricks"))
from databricks.feature_engineering import FeatureEngineeringClient  # noqa: E402

_numbers = itertools.count()


@dataclass(frozen=True)
class Workspace:
    """The catalog and the engine of a workspace, in this process."""

    state_dir: Path
    url: str
    remote: str
    synced: SyncedTables


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    state_dir = tmp_path_factory.mktemp("state_dir")
    state = State(state_dir)
    state.put(unity.CATALOG, "dev", {"name": "dev"})
    state.put(
        unity.SCHEMA, "dev.shop", {"name": "shop", "catalog_name": "dev", "full_name": "dev.shop"}
    )
    app = create_app()
    app.include_router(unity.router(state))
    app.include_router(functions.router(state))
    synced = SyncedTables(state, lambda: connect(remote))
    app.include_router(feature_store.router(synced))
    listener, url = listen()
    # The engine asks for the catalog only when a name is resolved.
    engine, remote = sail.start(url, "token", ["dev"])
    with pytest.MonkeyPatch.context() as patch, served(app, listener):
        # Sail shares this environment, and would take a DATABRICKS_HOST for its own.
        profile = state_dir / "databrickscfg"
        profile.write_text(f"[DEFAULT]\nhost = {url}\ntoken = token\n")
        patch.setenv("DATABRICKS_CONFIG_FILE", str(profile))
        patch.setenv("LAPTOP_HOME", str(state_dir))
        patch.setenv("MLFLOW_TRACKING_URI", f"laptop://{state_dir}")
        patch.setenv("MLFLOW_REGISTRY_URI", f"laptop://{state_dir}")
        yield Workspace(state_dir, url, remote, synced)
    synced.close()
    engine.stop()
    state.close()


@pytest.fixture(scope="session")
def spark(workspace: Workspace) -> Iterator[SparkSession]:
    session = connect(workspace.remote)
    yield session
    session.stop()


def at(hour: int) -> datetime:
    return datetime(2013, 1, 1, hour, tzinfo=UTC)


def weather_rows(*rows: tuple[str | None, int, float | None, int | None]) -> pa.Table:
    origin, hours, temp, wind = zip(*rows, strict=True)
    return pa.table(
        {
            "origin": pa.array(origin, pa.string()),
            "known_at": pa.array([at(hour) for hour in hours], pa.timestamp("us", tz="UTC")),
            "temp": pa.array(temp, pa.float64()),
            "wind": pa.array(wind, pa.int64()),
        }
    )


@pytest.fixture(scope="session")
def fe(spark: SparkSession) -> FeatureEngineeringClient:
    assert spark is SparkSession.getActiveSession()
    return FeatureEngineeringClient()


@pytest.fixture
def name() -> str:
    return f"dev.shop.table_{next(_numbers)}"


def create_weather(
    fe: FeatureEngineeringClient, name: str, df: DataFrame | None, **more: Any
) -> Any:
    return fe.create_table(
        name=name, primary_keys=["origin", "known_at"], timeseries_column="known_at", df=df, **more
    )


def rows(df: DataFrame) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = df.toArrow().to_pylist()
    return sorted(found, key=str)


WEATHER = weather_rows(("EWR", 1, 10.0, 5), ("EWR", 3, 30.0, None), ("JFK", 2, 20.0, 7))


def status(sdk: WorkspaceClient, online: str) -> SyncedTableStatus:
    found = sdk.database.get_synced_database_table(online).data_synchronization_status
    assert found is not None
    return found


def sync_state(sdk: WorkspaceClient, online: str) -> str:
    detailed = status(sdk, online).detailed_state
    assert isinstance(detailed, SyncedTableState)
    return detailed.value.removeprefix("SYNCED_TABLE_")


def finish_sync(sdk: WorkspaceClient, online: str) -> SyncedTableStatus:
    running = ("PROVISIONING_INITIAL_SNAPSHOT", "ONLINE_TRIGGERED_UPDATE")
    until(lambda: sync_state(sdk, online) not in running)
    return status(sdk, online)
