"""Configurations of serving endpoints: validation of requests, in the API's format."""

import re
import time

from ..identity import USER_NAME
from .errors import ApiError
from .feature_tracing import VARIABLE
from .requests import required
from .state import Document

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,63}")
_ALLOWED_NAME = "1 to 63 letters, digits, '-' and '_'."
_ENTITY_FIELDS = frozenset(
    {
        "entity_name",
        "entity_version",
        "environment_vars",
        "max_provisioned_concurrency",
        "min_provisioned_concurrency",
        "name",
        "scale_to_zero_enabled",
        "workload_size",
        "workload_type",
    }
)
_CONCURRENCY_FIELDS = ("min_provisioned_concurrency", "max_provisioned_concurrency")
# Minimum concurrency of each size; some workspaces offer more sizes.
_CONCURRENCY = {"Small": 4, "Medium": 8, "Large": 16}
MOST_ENTITIES = 10
_CREATE_FIELDS = frozenset(
    {"name", "config", "tags", "description", "route_optimized", "ai_gateway"}
)
_ROUTE_FIELDS = frozenset({"served_entity_name", "served_model_name", "traffic_percentage"})
_TAG_FIELDS = frozenset({"add_tags", "delete_tags"})
_CONFIG_FIELDS = frozenset({"name", "served_entities", "traffic_config"})


class NotLoadable(Exception):
    """A served entity that cannot be loaded.

    Attributes:
        entity: Name of the served entity.
    """

    def __init__(self, entity: str, model: str, version: str, cause: Exception) -> None:
        super().__init__(f"Version {version} of {model} could not be loaded: {cause}")
        self.entity = entity


def named(body: Document) -> str:
    """Return the name of an endpoint to create."""
    (name,) = required(body, "name")
    only(body, _CREATE_FIELDS, "an endpoint")
    if not _NAME.fullmatch(name):
        raise invalid(f"Endpoint name '{name}' is not allowed: {_ALLOWED_NAME}")
    if body.get("route_optimized"):
        raise ApiError(501, "NOT_IMPLEMENTED", "The laptop has no route optimization.")
    return name


def planned(body: Document, version: int) -> Document:
    """Return the configuration of a request, in the API's format."""
    only(body, _CONFIG_FIELDS, "an endpoint's config")
    entities = [served_entity(entity) for entity in body.get("served_entities") or []]
    names = [entity["name"] for entity in entities]
    if not entities:
        raise invalid("Field 'served_entities' is required, with one entity or more.")
    if len(entities) > MOST_ENTITIES:
        raise invalid(f"An endpoint serves at most {MOST_ENTITIES} entities, got: {len(entities)}.")
    if len(set(names)) < len(names):
        raise invalid(f"Served entities need names of their own, got: {', '.join(names)}.")
    routes = (body.get("traffic_config") or {}).get("routes") or []
    if not routes and len(names) == 1:
        routes = [{"served_model_name": names[0], "traffic_percentage": 100}]
    shares = [route_share(route, names) for route in routes]
    routed = [name for name, _ in shares]
    if len(set(routed)) < len(routed):
        raise invalid(f"Each served entity takes one route, got: {', '.join(routed)}.")
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
    """Return a served entity in state DEPLOYMENT_CREATING, with a default name if unnamed."""
    only(given, _ENTITY_FIELDS, "a served entity")
    model, version = required(given, "entity_name", "entity_version")
    if not version.isdecimal():
        raise invalid(f"entity_version must be a version's number, got: {version}.")
    name = given.get("name") or f"{model.rpartition('.')[2]}-{version}"
    if not _NAME.fullmatch(name):
        raise invalid(f"Served entity name '{name}' is not allowed: {_ALLOWED_NAME}")
    if given.get("workload_size") and any(given.get(field) for field in _CONCURRENCY_FIELDS):
        raise invalid(
            f"Served entity '{name}' gives workload_size and {' or '.join(_CONCURRENCY_FIELDS)}. "
            "Give the one or the other."
        )
    _check_variables(name, given.get("environment_vars") or {})
    return {
        "scale_to_zero_enabled": False,
        "workload_type": "CPU",
        **given,
        "name": name,
        "creator": USER_NAME,
        "creation_timestamp": now(),
        "state": {"deployment": "DEPLOYMENT_CREATING", "deployment_state_message": ""},
    }


def _check_variables(name: str, variables: Document) -> None:
    """Reject variables that a model in the workspace process would not see."""
    only(variables, frozenset({VARIABLE}), f"environment_vars of served entity '{name}'")
    for variable, value in variables.items():
        if not isinstance(value, str):
            raise invalid(f"{variable} of served entity '{name}' must be text, got: {value}.")


def route_share(route: Document, names: list[str]) -> tuple[str, int]:
    """Return the served entity of a route and its traffic percentage."""
    only(route, _ROUTE_FIELDS, "a route")
    given = {route[key] for key in ("served_entity_name", "served_model_name") if route.get(key)}
    if len(given) != 1:
        raise invalid(
            "A route leads to one served entity, by served_entity_name or served_model_name; "
            f"got: {', '.join(sorted(given)) or 'none'}."
        )
    (name,) = given
    share = route.get("traffic_percentage")
    if name not in names:
        raise invalid(f"A route leads to '{name}'. Served entities: {', '.join(names)}.")
    if not isinstance(share, int) or isinstance(share, bool) or not 0 <= share <= 100:
        raise invalid(f"traffic_percentage of '{name}' must be 0 to 100, got: {share}.")
    return name, share


def concurrency(entity: Document) -> int:
    """Return the minimum provisioned concurrency of a served entity."""
    asked = entity.get("min_provisioned_concurrency")
    return int(asked or _CONCURRENCY.get(entity.get("workload_size") or "Small", 0))


def tagged(tags: list[Document], body: Document) -> list[Document]:
    """Return an endpoint's tags after a request with `add_tags` and `delete_tags`."""
    only(body, _TAG_FIELDS, "a change of tags")
    added = body.get("add_tags") or []
    for tag in added:
        required(tag, "key")
    by_key = {tag["key"]: tag for tag in [*tags, *added]}
    return [tag for key, tag in by_key.items() if key not in (body.get("delete_tags") or [])]


def marked_ready(config: Document) -> Document:
    """Return a configuration with all entities in state DEPLOYMENT_READY."""
    done = {"deployment": "DEPLOYMENT_READY", "deployment_state_message": ""}
    entities = [entity | {"state": done} for entity in config["served_entities"]]
    return config | {"served_entities": entities}


def marked_failed(config: Document, error: NotLoadable) -> Document:
    """Return a configuration that failed to load, with the error message."""
    failed = {"deployment": "DEPLOYMENT_FAILED", "deployment_state_message": str(error)}
    aborted = {"deployment": "DEPLOYMENT_ABORTED", "deployment_state_message": ""}
    entities = [
        entity | {"state": failed if entity["name"] == error.entity else aborted}
        for entity in config["served_entities"]
    ]
    return config | {"served_entities": entities}


def only(given: Document, allowed: frozenset[str], what: str) -> None:
    """Reject unsupported fields."""
    if unknown := sorted(set(given) - allowed):
        raise ApiError(
            501,
            "NOT_IMPLEMENTED",
            f"Fields {unknown} of {what} are not supported on the laptop. "
            f"Allowed: {', '.join(sorted(allowed))}.",
        )


def invalid(message: str) -> ApiError:
    """Return the error for invalid fields of a request."""
    return ApiError(400, "INVALID_PARAMETER_VALUE", message)


def now() -> int:
    """Return the time in milliseconds since the epoch."""
    return int(time.time() * 1000)
