import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.serving import (
    AiGatewayConfig,
    AiGatewayInferenceTableConfig,
)
from laptop import connection
from laptop.features.online import OnlineStore
from laptop.workspace.payload_rows import COLUMNS, PROPERTIES

from ...conftest import Toy, until, write_toy
from .conftest import (
    ROW,
    SPEC,
    TABLE,
    WEATHER,
    config,
    entity,
    pointed,
    quietly,
    register,
    weather,
)


@dataclass(frozen=True)
class Logged:
    """A workspace with a model of two versions, whose endpoints log to schema `dev.shop`."""

    toy: Toy

    @property
    def client(self) -> WorkspaceClient:
        there = self.toy.open()
        return WorkspaceClient(host=there.address, token=there.token)

    def create(self, name: str, prefix: str | None = None, **facts: Any) -> str:
        """Make an endpoint that logs to a table, and return the table's name."""
        gateway = AiGatewayConfig(inference_table_config=table(prefix or name))
        endpoints = self.client.serving_endpoints
        endpoints.create_and_wait(name, config=config(entity(1, **facts)), ai_gateway=gateway)
        return f"dev.shop.{prefix or name}_payload"

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a payload table, in the order in which they came."""
        from laptop.engine.session import connect

        session = connect(self.toy.open().spark)
        try:
            found = session.table(name).toArrow().to_pylist()
        finally:
            session.stop()
        return sorted(found, key=lambda row: row.get("request_time"))

    def wait(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """Return the rows of a payload table once there are so many."""
        until(lambda: len(self.rows(name)) >= count)
        return self.rows(name)


def table(prefix: str, **facts: Any) -> AiGatewayInferenceTableConfig:
    facts = {"catalog_name": "dev", "schema_name": "shop", "enabled": True} | facts
    return AiGatewayInferenceTableConfig(table_name_prefix=prefix, **facts)


def prepare(toy: Toy) -> Logged:
    """Give a workspace the schema, the model and its features."""
    there = toy.open()
    there.ask("POST", "/api/2.1/unity-catalog/schemas", {"catalog_name": "dev", "name": "shop"})
    store = OnlineStore(toy.state_dir.path)
    store.publish(TABLE, weather(2.0, 3), store="s", online_table=f"{WEATHER}_online")
    store.close()
    with pointed(f"laptop://{toy.state_dir.path}"), quietly():
        import mlflow

        mlflow.set_experiment("/Shared/serving")
        for intercept in (1000.0, 2000.0):
            register(SPEC, intercept)
    return Logged(toy)


@pytest.fixture(scope="module")
def logged(folder: Path) -> Iterator[Logged]:
    with pytest.MonkeyPatch.context() as patch:
        # No task runs here.
        patch.setenv("LAPTOP_NO_FORK", "1")
        toy = write_toy(folder / "payloads")
        yield prepare(toy)
        connection.stop(toy.state_dir)


def test_a_request_and_its_answer_are_rows_of_the_payload_table(logged: Logged) -> None:
    name = logged.create("rows")
    client = logged.client
    placeholder = client.tables.get(name)
    assert [column.name for column in placeholder.columns or []] == ["databricks_request_id"]

    client.serving_endpoints.query("rows", dataframe_records=[ROW], client_request_id="mine")

    (row,) = logged.wait(name)
    assert row["client_request_id"] == "mine"
    assert (row["status_code"], row["sampling_fraction"]) == (200, 1.0)
    assert json.loads(row["request"]) == {"client_request_id": "mine", "dataframe_records": [ROW]}
    assert json.loads(row["response"]) == {"predictions": pytest.approx([1420.0])}
    assert row["logging_error_codes"] == []
    assert row["request_date"] == row["request_time"].date()
    assert row["execution_duration_ms"] >= 0
    assert len(bytes.fromhex(row["served_entity_id"])) == 16
    uuid.UUID(row["databricks_request_id"])
    shown = client.tables.get(name)
    assert shown.table_id == placeholder.table_id
    assert [(c.name, c.type_text) for c in shown.columns or []] == [(n, t) for n, t, _ in COLUMNS]
    assert (shown.properties or {}).items() >= PROPERTIES.items()
