"""Serving endpoints and their zero-downtime updates.

An update loads the new models next to the old ones, and swaps when all of them are loaded. If one
fails to load, the endpoint keeps its previous configuration.
"""

import threading
import time
import traceback
import uuid
from functools import cached_property, partial
from typing import TYPE_CHECKING

from ..identity import USER_NAME
from .ai_gateway import is_logged, planned_gateway
from .endpoint_config import (
    NotLoadable,
    concurrency,
    marked_failed,
    marked_ready,
    named,
    now,
    planned,
    tagged,
)
from .endpoint_live import Live, Log, Served, stamped
from .endpoint_traffic import Measured, Traffic
from .errors import ApiError, missing
from .feature_tracing import is_traced
from .payload_rows import entity_id
from .payloads import Payloads
from .state import Document, State
from .unity import FUNCTION

if TYPE_CHECKING:
    from ..features.online import OnlineStore

ENDPOINT = "serving-endpoint"

# Clients poll every second or slower; most models load within that time.
_PATIENCE_SECONDS = 1.0


class Endpoints:
    """The endpoints of a workspace; interrupted updates are resumed.

    Args:
        state: The workspace's state.
        payloads: The payload tables.
        delay_seconds: Delay before an update loads its models.
    """

    def __init__(self, state: State, payloads: Payloads, delay_seconds: float = 0) -> None:
        self._state = state
        self._payloads = payloads
        self._delay_seconds = delay_seconds
        self._live: dict[str, Live] = {}
        self._logs: dict[tuple[str, str], Log] = {}
        self._reviving = threading.Lock()
        # Held while a payload table is created, which cannot be part of a transaction.
        self._changing = threading.Lock()
        self._closing = threading.Event()
        self._updates: list[threading.Thread] = []
        for endpoint in state.all(ENDPOINT):
            if in_progress(endpoint):
                self._start(endpoint)

    def all(self) -> list[Document]:
        """Return the endpoints as the API shows them."""
        return self._state.all(ENDPOINT)

    def get(self, name: str) -> Document:
        """Return an endpoint as the API shows it."""
        endpoint = self._state.get(ENDPOINT, name)
        if endpoint is None:
            there = [known["name"] for known in self.all()]
            raise missing("RESOURCE_DOES_NOT_EXIST", "Endpoint", name, there)
        return endpoint

    def create(self, body: Document) -> Document:
        """Create an endpoint and start to load its models."""
        name = named(body)
        pending = planned(body.get("config") or {}, version=1)
        tags = tagged([], {"add_tags": body.get("tags")})
        gateway = planned_gateway(name, body.get("ai_gateway") or {}, {})
        endpoint: Document = {
            "id": uuid.uuid4().hex,
            "name": name,
            "creator": USER_NAME,
            "creation_timestamp": now(),
            "last_updated_timestamp": now(),
            "state": {"ready": "NOT_READY", "config_update": "IN_PROGRESS"},
            "pending_config": pending,
            "permission_level": "CAN_MANAGE",
            "route_optimized": False,
            "tags": tags,
            "description": body.get("description") or "",
            **({"ai_gateway": gateway} if gateway else {}),
        }
        with self._changing:
            if self._state.get(ENDPOINT, name) is not None:
                raise ApiError(
                    400, "RESOURCE_ALREADY_EXISTS", f"Endpoint with name '{name}' already exists."
                )
            if is_logged(gateway):
                self._payloads.enable(endpoint["id"], gateway)
            self._state.put(ENDPOINT, name, endpoint)
        self._start(endpoint).join(_PATIENCE_SECONDS)
        return self.get(name)

    def change_gateway(self, name: str, body: Document) -> Document:
        """Replace all settings of an endpoint's AI Gateway, and return them."""
        with self._changing:
            endpoint = self.get(name)
            standing = endpoint.get("ai_gateway") or {}
            gateway = planned_gateway(name, body, standing)
            if is_logged(gateway) and not is_logged(standing):
                self._payloads.enable(endpoint["id"], gateway)
            elif is_logged(standing) and not is_logged(gateway):
                self._payloads.disable(endpoint["id"])
            with self._state.transaction():
                endpoint = self.get(name)
                endpoint["ai_gateway"] = gateway
                self._state.put(ENDPOINT, name, endpoint)
        return gateway

    def update(self, name: str, body: Document) -> Document:
        """Start to load a new configuration; the current one serves until the swap."""
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
        self._start(endpoint).join(_PATIENCE_SECONDS)
        return self.get(name)

    def tag(self, name: str, body: Document) -> list[Document]:
        """Add and delete tags of an endpoint, and return the result."""
        with self._state.transaction():
            endpoint = self.get(name)
            endpoint["tags"] = tagged(endpoint["tags"], body)
            self._state.put(ENDPOINT, name, endpoint)
        return list(endpoint["tags"])

    def delete(self, name: str) -> None:
        """Delete an endpoint; an update in progress is discarded."""
        endpoint = self.get(name)
        self._state.delete(ENDPOINT, name)
        self._payloads.disable(endpoint["id"])
        self._live.pop(endpoint["id"], None)

    def live(self, name: str) -> Live:
        """Return the loaded models of an endpoint; reload them after a restart of the workspace.

        Raises:
            ApiError: 400 if it was never ready, 500 if a model cannot be loaded.
        """
        endpoint = self.get(name)
        if "config" not in endpoint:
            raise ApiError(
                400,
                "BAD_REQUEST",
                f"Endpoint '{name}' is not ready: no configuration has been loaded yet.",
            )
        return self._live.get(endpoint["id"]) or self._revive(endpoint)

    def measured(self, name: str) -> dict[str, Measured]:
        """Return the traffic of an endpoint by served entity."""
        served = self.live(name).served
        return {each: Measured(one.traffic, one.concurrency) for each, one in served.items()}

    def log(self, name: str, entity: str) -> Log:
        """Return the logs of a served entity."""
        endpoint = self.get(name)
        configs = (endpoint.get(kind, {}) for kind in ("config", "pending_config"))
        there = {each["name"] for config in configs for each in config.get("served_entities", [])}
        if entity not in there:
            raise missing("RESOURCE_DOES_NOT_EXIST", "Served entity", entity, list(there))
        return self._logs.get((endpoint["id"], entity)) or Log()

    def settle(
        self, endpoint: Document, changes: Document, live: Live | None, **condition: str
    ) -> None:
        """Record the end of an update, unless the endpoint was deleted or recreated.

        Args:
            endpoint: The updated endpoint.
            changes: Fields of the endpoint to change.
            live: The new models; None keeps the current ones.
            condition: Fields of its state to change.
        """
        with self._state.transaction():
            current = self._state.get(ENDPOINT, endpoint["name"])
            if current is None or current["id"] != endpoint["id"]:
                return
            del current["pending_config"]
            current |= changes
            current["state"] |= condition
            if live is not None:
                # First, so that a client that reads READY gets the new version.
                self._live[endpoint["id"]] = live
            self._state.put(ENDPOINT, endpoint["name"], current)

    def close(self) -> None:
        """Stop; the next process resumes updates in progress."""
        self._closing.set()
        for update in self._updates:
            update.join(_PATIENCE_SECONDS)

    def _revive(self, endpoint: Document) -> Live:
        with self._reviving:
            live = self._live.get(endpoint["id"])
            if live is None:
                try:
                    live = self._load(endpoint["id"], endpoint["config"])
                except NotLoadable as error:
                    raise ApiError(500, "INTERNAL_ERROR", str(error)) from error
                # An update may have ended during the load.
                live = self._live.setdefault(endpoint["id"], live)
            return live

    def _start(self, endpoint: Document) -> threading.Thread:
        thread = threading.Thread(target=self._bring_up, args=(endpoint,), daemon=True)
        self._updates = [update for update in self._updates if update.is_alive()] + [thread]
        thread.start()
        return thread

    def _bring_up(self, endpoint: Document) -> None:
        pending = endpoint["pending_config"]
        if self._closing.wait(self._delay_seconds):
            return
        try:
            live = self._load(endpoint["id"], pending)
        except NotLoadable as error:
            failed: Document = {"pending_config": marked_failed(pending, error)}
            self.settle(endpoint, failed, None, config_update="UPDATE_FAILED")
            return
        ready: Document = {"config": marked_ready(pending)}
        self.settle(endpoint, ready, live, ready="READY", config_update="NOT_UPDATING")

    @cached_property
    def _store(self) -> "OnlineStore":
        from ..features.online import OnlineStore

        return OnlineStore(self._state.folder)

    def _load(self, endpoint_id: str, config: Document) -> Live:
        served = {
            entity["name"]: self._load_entity(endpoint_id, entity)
            for entity in config["served_entities"]
        }
        routes = config["traffic_config"]["routes"]
        shares = {route["served_model_name"]: route["traffic_percentage"] for route in routes}
        return Live(served, shares)

    def _load_entity(self, endpoint_id: str, entity: Document) -> Served:
        from .scoring import load

        name, version = entity["entity_name"], entity["entity_version"]
        log = self._logs.setdefault((endpoint_id, entity["name"]), Log())
        log.build.append(stamped(f"Loading version {version} of {name} into this workspace."))
        started = time.monotonic()
        try:
            model = load(name, version, self._store, partial(self._state.get, FUNCTION))
        except Exception as error:
            log.build.append(stamped(traceback.format_exc()))
            raise NotLoadable(entity["name"], name, version, error) from error
        log.build.append(stamped(f"Loaded in {time.monotonic() - started:.2f} s."))
        return Served(
            entity["name"],
            model,
            version,
            Traffic(),
            log,
            concurrency(entity),
            endpoint_id,
            entity_id(endpoint_id, entity),
            is_traced(entity),
        )


def in_progress(endpoint: Document) -> bool:
    """Return whether an update of an endpoint is in progress."""
    return bool(endpoint["state"]["config_update"] == "IN_PROGRESS")
