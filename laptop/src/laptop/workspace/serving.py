"""Serving endpoints: what is to be served, what is, and the way from one to the other.

An update loads the new models beside the old ones and swaps when all of them are in memory, so
an endpoint answers throughout, and keeps its former configuration if one of them fails.
"""

import json
import random
import re
import threading
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from .errors import ApiError, missing
from .identity import USER_NAME
from .requests import JsonBody, required
from .state import Document, State

if TYPE_CHECKING:
    from .scoring import ServedModel

ENDPOINT = "serving-endpoint"

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,63}")
_ENTITY_FIELDS = frozenset(
    {
        "entity_name",
        "entity_version",
        "environment_vars",
        "name",
        "scale_to_zero_enabled",
        "workload_size",
        "workload_type",
    }
)
_CREATE_FIELDS = frozenset({"name", "config", "tags", "description", "route_optimized"})
_CONFIG_FIELDS = frozenset({"name", "served_entities", "traffic_config"})

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
        (name,) = required(body, "name")
        only(body, _CREATE_FIELDS, "an endpoint")
        if not _NAME.fullmatch(name):
            raise invalid(
                f"Endpoint name '{name}' is not allowed: 1 to 63 letters, digits, '-' and '_'."
            )
        if body.get("route_optimized"):
            raise ApiError(501, "NOT_IMPLEMENTED", "The laptop has no route optimization.")
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
            self._settle(endpoint, changes, config_update="UPDATE_FAILED")
            return
        config = marked_ready(pending)
        if self._settle(endpoint, {"config": config}, ready="READY", config_update="NOT_UPDATING"):
            self._live[name] = live

    def _settle(self, endpoint: Document, changes: Document, **condition: str) -> bool:
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

    def _load(self, config: Document) -> Live:
        from ..features.online import OnlineStore
        from .scoring import load

        store = OnlineStore(self._state.home)
        models = {}
        for entity in config["served_entities"]:
            name, version = entity["entity_name"], entity["entity_version"]
            try:
                models[entity["name"]] = load(name, version, store)
            except Exception as error:
                raise NotLoadable(entity["name"], name, version, error) from error
        routes = config["traffic_config"]["routes"]
        shares = {route["served_model_name"]: route["traffic_percentage"] for route in routes}
        return Live(models, shares)


class NotLoadable(Exception):
    """A served entity that cannot be brought into memory.

    Attributes:
        entity: Name of the served entity.
    """

    def __init__(self, entity: str, model: str, version: str, cause: Exception) -> None:
        super().__init__(f"Version {version} of {model} could not be loaded: {cause}")
        self.entity = entity


def planned(body: Document, version: int) -> Document:
    """Return the configuration that a request asks for, in the shape the API shows.

    Raises:
        ApiError: 400, for a request that no endpoint could follow.
    """
    only(body, _CONFIG_FIELDS, "an endpoint's config")
    entities = [served_entity(entity) for entity in body.get("served_entities") or []]
    names = [entity["name"] for entity in entities]
    if not entities:
        raise invalid("Field 'served_entities' is required, with one entity or more.")
    if len(set(names)) < len(names):
        raise invalid(f"Served entities need names of their own, got: {', '.join(names)}.")
    routes = (body.get("traffic_config") or {}).get("routes") or []
    if not routes and len(names) == 1:
        routes = [{"served_model_name": names[0], "traffic_percentage": 100}]
    shares = [route_share(route, names) for route in routes]
    if sum(share for _, share in shares) != 100:
        raise invalid(
            "traffic_percentage of all routes must sum to 100, got: "
            f"{', '.join(f'{name} {share}' for name, share in shares) or 'no routes'}."
        )
    return {
        "config_version": version,
        "served_entities": entities,
        "traffic_config": {
            "routes": [
                {"served_model_name": name, "served_entity_name": name, "traffic_percentage": share}
                for name, share in shares
            ]
        },
    }


def served_entity(given: Document) -> Document:
    """Return a served entity with its default name and the state of one that is being loaded."""
    only(given, _ENTITY_FIELDS, "a served entity")
    model, version = required(given, "entity_name", "entity_version")
    if not version.isdecimal():
        raise invalid(f"entity_version must be a version's number, got: {version}.")
    return {
        "name": f"{model.rpartition('.')[2]}-{version}",
        **given,
        "creator": USER_NAME,
        "creation_timestamp": now(),
        "state": {"deployment": "DEPLOYMENT_CREATING", "deployment_state_message": ""},
    }


def route_share(route: Document, names: list[str]) -> tuple[str, int]:
    """Return which served entity a route leads to, and its percentage."""
    name = route.get("served_entity_name") or route.get("served_model_name")
    share = route.get("traffic_percentage")
    if name not in names:
        raise invalid(f"A route leads to '{name}'. Served entities: {', '.join(names)}.")
    if not isinstance(share, int) or not 0 <= share <= 100:
        raise invalid(f"traffic_percentage of '{name}' must be 0 to 100, got: {share}.")
    return name, share


def marked_ready(config: Document) -> Document:
    """Return a configuration all of whose entities are in memory."""
    done = {"deployment": "DEPLOYMENT_READY", "deployment_state_message": ""}
    entities = [entity | {"state": done} for entity in config["served_entities"]]
    return config | {"served_entities": entities}


def marked_failed(config: Document, error: NotLoadable) -> Document:
    """Return a configuration that could not be loaded, which says why."""
    failed = {"deployment": "DEPLOYMENT_FAILED", "deployment_state_message": str(error)}
    aborted = {"deployment": "DEPLOYMENT_ABORTED", "deployment_state_message": ""}
    entities = [
        entity | {"state": failed if entity["name"] == error.entity else aborted}
        for entity in config["served_entities"]
    ]
    return config | {"served_entities": entities}


def in_progress(endpoint: Document) -> bool:
    """Return whether an update of an endpoint is under way."""
    return bool(endpoint["state"]["config_update"] == "IN_PROGRESS")


def only(given: Document, allowed: frozenset[str], what: str) -> None:
    """Refuse fields that the laptop would have to ignore."""
    if unknown := sorted(set(given) - allowed):
        raise ApiError(
            501,
            "NOT_IMPLEMENTED",
            f"Fields {unknown} of {what} are not built on the laptop. "
            f"Allowed: {', '.join(sorted(allowed))}.",
        )


def invalid(message: str) -> ApiError:
    """Return the error of a request whose fields do not fit."""
    return ApiError(400, "INVALID_PARAMETER_VALUE", message)


def now() -> int:
    """Return the time in milliseconds since the epoch."""
    return int(time.time() * 1000)
