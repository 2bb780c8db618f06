"""AI Gateway of serving endpoints: supported settings and the payload table's name."""

import re

from .endpoint_config import invalid, only
from .errors import ApiError
from .state import Document

TABLE_CONFIG = "inference_table_config"
_PARTS = frozenset({TABLE_CONFIG, "usage_tracking_config"})
_TABLE_FIELDS = frozenset({"catalog_name", "schema_name", "table_name_prefix", "enabled"})
_PREFIX = re.compile(r"[^\s./\x00-\x1f\x7f]+")
_PLACE = ("catalog_name", "schema_name", "table_name_prefix")


def planned_gateway(endpoint: str, given: Document, standing: Document) -> Document:
    """Return the AI Gateway of a request, which replaces all settings of the current one.

    Args:
        endpoint: Name of the endpoint.
        given: The request's body.
        standing: The endpoint's current AI Gateway; empty if there is none.

    Raises:
        ApiError: 501 for an unsupported setting, 400 for an invalid inference table.
    """
    parts = {name: part for name, part in given.items() if part}
    only(parts, _PARTS, "an AI Gateway")
    if TABLE_CONFIG in parts:
        parts[TABLE_CONFIG] = _planned_table(endpoint, parts[TABLE_CONFIG])
    if is_logged(parts) and is_logged(standing):
        now, then = (gateway[TABLE_CONFIG] for gateway in (parts, standing))
        changed = [name for name in _PLACE if now[name] != then[name]]
        if changed:
            raise invalid(
                f"{', '.join(changed)} of the inference table of endpoint '{endpoint}' cannot be "
                f"changed while it is enabled: it logs to {payload_table(standing)}. Disable it "
                "first."
            )
    return parts


def is_logged(gateway: Document) -> bool:
    """Return whether payloads are logged."""
    return bool((gateway.get(TABLE_CONFIG) or {}).get("enabled"))


def payload_table(gateway: Document) -> str:
    """Return the full name of the payload table, in lower case."""
    catalog, schema, prefix = (gateway[TABLE_CONFIG][name] for name in _PLACE)
    return f"{catalog}.{schema}.{prefix}_payload".lower()


def table_exists(table: str) -> ApiError:
    """Return the error for a payload table that exists already, with Databricks' message."""
    text = (
        f"Table in Unity Catalog {table} already exists. Please specify a different table prefix."
    )
    return ApiError(400, "BAD_REQUEST", text)


def _planned_table(endpoint: str, given: Document) -> Document:
    only(given, _TABLE_FIELDS, "an inference table")
    config = {"enabled": False, **given}
    if not config["enabled"]:
        return config
    for name in ("catalog_name", "schema_name"):
        if not config.get(name):
            raise invalid(f"Field '{name}' is required to enable an inference table.")
    prefix = config.setdefault("table_name_prefix", endpoint)
    if not _PREFIX.fullmatch(prefix):
        raise invalid(f"table_name_prefix '{prefix}' has a space, a period or a slash.")
    return config
