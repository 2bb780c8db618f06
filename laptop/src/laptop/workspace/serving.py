"""Serving endpoints: what is to be served, what is, and the way from one to the other.

An update loads the new models beside the old ones and swaps when all of them are in memory, so
an endpoint answers throughout, and keeps its former configuration if one of them fails.
"""

import json
import random
import threading
import uuid
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from ..identity import USER_NAME
from .endpoint_config import NotLoadable, marked_failed, marked_ready, named, now, planned
from .errors import ApiError, missing
from .requests import JsonBody
from .state import Document, State

if TYPE_CHECKING:
    from ..features.online import OnlineStore
    from .scoring import ServedModel

ENDPOINT = "serving-endpoint"

# Clients poll in steps of a second or more; most models are in memory before the first answer.
_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class Live:
    """What an endpoint answers with: its models in memory and their shares of the traffic."""

    models: dict[str, "ServedModel"]
    shares: dict[str, int]

    def choose(self) -> str:
        """Return the name of the served entity that answers the next request."""
        return random.choices(list(self.shares), weights=list(self.shares.values()))[0]


def router(state: State) -> APIRouter:
    """Return the routes of serving endpoints; an interrupted update is taken up again."""
    api = APIRouter()
    endpoints = Endpoints(state)

    @api.get("/api/2.0/serving-endpoints")
    def list_endpoints() -> Any:
        return {"endpoints": state.all(ENDPOINT)}

    @api.post("/api/2.0/serving-endpoints")
    def create(body: JsonBody) -> Any:
        return endpoints.create(body)

    @api.get("/api/2.0/serving-endpoints/{name}")
    def get(name: str) -> Any:
        return endpoints.get(name)

    @api.delete("/api/2.0/serving-endpoints/{name}")
    def delete(name: str) -> Any:
        endpoints.delete(name)
        return {}

    @api.put("/api/2.0/serving-endpoints/{name}/config")
    def update_config(name: str, body: JsonBody) -> Any:
        return endpoints.update(name, body)

    @api.post("/serving-endpoints/{name}/invocations")
    async def invoke(name: str, request: Request, response: Response) -> Any:
        try:
            payload = json.loads(await request.body())
        except ValueError as error:
            raise ApiError(400, "BAD_REQUEST", f"The body is no JSON: {error}.") from error
        entity, predictions = await run_in_threadpool(endpoints.score, name, payload)
        response.headers["served-model-name"] = entity
        return {"predictions": predictions}

    return api


class Endpoints:
    """The endpoints of a workspace.

    Args:
        state: Where their configurations last.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._live: dict[str, Live] = {}
        self._reviving = threading.Lock()
        for endpoint in state.all(ENDPOINT):
            if in_progress(endpoint):
                self._start(endpoint["name"])

    def get(self, name: str) -> Document:
        """Return an endpoint as the API shows it."""
        endpoint = self._state.get(ENDPOINT, name)
        if endpoint is None:
            there = [known["name"] for known in self._state.all(ENDPOINT)]
            raise missing("RESOURCE_DOES_NOT_EXIST", "Endpoint", name, there)
        return endpoint

    def create(self, body: Document) -> Document:
        """Record an endpoint and begin to load what it is to serve."""
        name = named(body)
        pending = planned(body.get("config") or {}, version=1)
        with self._state.transaction():
            if self._state.get(ENDPOINT, name) is not None:
                raise ApiError(
                    400, "RESOURCE_ALREADY_EXISTS", f"Endpoint with name '{name}' already exists."
                )
            endpoint = {
                "id": uuid.uuid4().hex,
                "name": name,
                "creator": USER_NAME,
                "creation_timestamp": now(),
                "last_updated_timestamp": now(),
                "state": {"ready": "NOT_READY", "config_update": "IN_PROGRESS"},
                "pending_config": pending,
                "permission_level": "CAN_MANAGE",
                "route_optimized": False,
                "tags": body.get("tags") or [],
                "description": body.get("description") or "",
            }
            self._state.put(ENDPOINT, name, endpoint)
        self._start(name).join(_PATIENCE_SECONDS)
        return self.get(name)

    def update(self, name: str, body: Document) -> Document:
        """Begin to load another configuration beside the one that serves."""
        with self._state.transaction():
            endpoint = self.get(name)
            if in_progress(endpoint):
                raise ApiError(
                    409, "RESOURCE_CONFLICT", f"Endpoint '{name}' is being updated. Wait for it."
                )
            last = max(
                endpoint.get(kind, {}).get("config_version", 0)
                for kind in ("config", "pending_config")
            )
            endpoint["pending_config"] = planned(body, version=last + 1)
            endpoint["state"]["config_update"] = "IN_PROGRESS"
            endpoint["last_updated_timestamp"] = now()
            self._state.put(ENDPOINT, name, endpoint)
        self._start(name).join(_PATIENCE_SECONDS)
        return self.get(name)

    def delete(self, name: str) -> None:
        """Forget an endpoint; an update of it that is under way comes to nothing."""
        self.get(name)
        self._state.delete(ENDPOINT, name)
        self._live.pop(name, None)

    def score(self, name: str, payload: Any) -> tuple[str, list[Any]]:
        """Return which served entity answered, and its predictions."""
        from .scoring import rows_of

        endpoint = self.get(name)
        if "config" not in endpoint:
            raise ApiError(
                400,
                "BAD_REQUEST",
                f"Endpoint '{name}' is not ready: no configuration has been loaded yet.",
            )
        rows = rows_of(payload)
        live = self._live.get(name) or self._revive(endpoint)
        entity = live.choose()
        return entity, live.models[entity].predict(rows)

    def _revive(self, endpoint: Document) -> Live:
        """Load what served before the workspace was started anew."""
        name = endpoint["name"]
        with self._reviving:
            if name not in self._live:
                try:
                    self._live[name] = self._load(endpoint["config"])
                except NotLoadable as error:
                    raise ApiError(400, "BAD_REQUEST", str(error)) from error
            return self._live[name]

    def _start(self, name: str) -> threading.Thread:
        thread = threading.Thread(target=self._bring_up, args=(name,), daemon=True)
        thread.start()
        return thread

    def _bring_up(self, name: str) -> None:
        endpoint = self.get(name)
        pending = endpoint["pending_config"]
        try:
            live = self._load(pending)
        except NotLoadable as error:
            marked = marked_failed(pending, error)
            changes: Document = {"pending_config": marked}
            self.settle(endpoint, changes, config_update="UPDATE_FAILED")
            return
        config = marked_ready(pending)
        if self.settle(endpoint, {"config": config}, ready="READY", config_update="NOT_UPDATING"):
            self._live[name] = live

    def settle(self, endpoint: Document, changes: Document, **condition: str) -> bool:
        """Record the end of an update, unless the endpoint has gone or been made anew."""
        with self._state.transaction():
            current = self._state.get(ENDPOINT, endpoint["name"])
            if current is None or current["id"] != endpoint["id"]:
                return False
            del current["pending_config"]
            current |= changes
            current["state"] |= condition
            self._state.put(ENDPOINT, endpoint["name"], current)
        return True

    @cached_property
    def _store(self) -> "OnlineStore":
        from ..features.online import OnlineStore

        return OnlineStore(self._state.home)

    def _load(self, config: Document) -> Live:
        from .scoring import load

        models = {}
        for entity in config["served_entities"]:
            name, version = entity["entity_name"], entity["entity_version"]
            try:
                models[entity["name"]] = load(name, version, self._store)
            except Exception as error:
                raise NotLoadable(entity["name"], name, version, error) from error
        routes = config["traffic_config"]["routes"]
        shares = {route["served_model_name"]: route["traffic_percentage"] for route in routes}
        return Live(models, shares)


def in_progress(endpoint: Document) -> bool:
    """Return whether an update of an endpoint is under way."""
    return bool(endpoint["state"]["config_update"] == "IN_PROGRESS")
