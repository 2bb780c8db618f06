"""A workspace whose endpoints log their payloads, with a model of two versions."""

import json
from dataclasses import dataclass
from typing import Any

import mlflow
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.serving import AiGatewayConfig, AiGatewayInferenceTableConfig
from laptop.engine.session import connect
from laptop.features.online import OnlineStore

from ...conftest import Toy, until
from .conftest import SPEC, TABLE, WEATHER, config, entity, pointed, quietly, register, weather


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

    def ask(self, name: str, body: dict[str, Any] | str) -> requests.Response:
        """Send a request as a client without Databricks' libraries would."""
        there = self.toy.open()
        text = body if isinstance(body, str) else json.dumps(body)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {there.token}"}
        url = f"{there.address}/serving-endpoints/{name}/invocations"
        return requests.post(url, text, headers=headers, timeout=60)

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a payload table, in the order in which they came."""
        session = connect(self.toy.open().spark)
        try:
            # The placeholder has no rows; it may be widened between a plan and its answer.
            if len(session.table(name).columns) == 1:
                return []
            found = session.table(name).toArrow().to_pylist()
        finally:
            session.stop()
        return sorted(found, key=lambda row: row["request_time"])

    def wait(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """Return the rows of a payload table once there are so many."""
        until(lambda: len(self.rows(name)) >= count)
        return self.rows(name)


def table(prefix: str, **facts: Any) -> AiGatewayInferenceTableConfig:
    facts = {"catalog_name": "dev", "schema_name": "shop", "enabled": True, **facts}
    return AiGatewayInferenceTableConfig(table_name_prefix=prefix, **facts)


def prepare(toy: Toy) -> Logged:
    """Give a workspace the schema, the model and its features."""
    there = toy.open()
    there.ask("POST", "/api/2.1/unity-catalog/schemas", {"catalog_name": "dev", "name": "shop"})
    store = OnlineStore(toy.state_dir.path)
    store.publish(TABLE, weather(2.0, 3), store="s", online_table=f"{WEATHER}_online")
    store.close()
    with pointed(f"laptop://{toy.state_dir.path}"), quietly():
        mlflow.set_experiment("/Shared/serving")
        for intercept in (1000.0, 2000.0):
            register(SPEC, intercept)
    return Logged(toy)
