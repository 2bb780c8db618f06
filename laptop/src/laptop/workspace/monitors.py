"""Data profiling monitors and their settings."""

import copy
import importlib.util
import uuid
from typing import Any

from .. import clock
from ..identity import WAREHOUSE
from ..profiling.configuration import (
    Configuration,
    NotBuilt,
    ProfilingError,
    read_configuration,
)
from .errors import ApiError, missing
from .requests import required
from .state import Document, State
from .unity import SCHEMA, TABLE

MONITOR = "monitor"
PENDING, ACTIVE = "DATA_PROFILING_STATUS_PENDING", "DATA_PROFILING_STATUS_ACTIVE"
METASTORE = "5c1d6e0a-0000-4000-8000-6c6170746f70"

_PROFILING = "data_profiling_config"
_INPUTS = frozenset(
    {
        "output_schema_id",
        "assets_dir",
        "baseline_table_name",
        "custom_metrics",
        "inference_log",
        "time_series",
        "snapshot",
        "notification_settings",
        "schedule",
        "skip_builtin_dashboard",
        "slicing_exprs",
        "warehouse_id",
    }
)


class Monitors:
    """The monitors of a workspace, at most one per table.

    A monitor remains if its table is replaced, but not if it is dropped.

    Args:
        state: The workspace's state.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, body: Document) -> Document:
        """Create a monitor in status PENDING.

        Raises:
            ApiError: 400 for an invalid configuration, 404 for a missing table, schema or baseline,
                409 if the table has a monitor, 501 for unsupported settings.
        """
        require_scipy()
        kind, identifier = required(body, "object_type", "object_id")
        if kind != "table" or body.get("anomaly_detection_config") is not None:
            text = "The laptop has monitors of tables by data_profiling_config alone."
            raise ApiError(501, "NOT_IMPLEMENTED", text)
        table = self._table(identifier)
        if table is None:
            raise missing("TABLE_DOES_NOT_EXIST", "Table with ID", identifier)
        given = body.get(_PROFILING)
        if not isinstance(given, dict):
            text = f"A monitor of a table needs {_PROFILING}."
            raise ApiError(400, "INVALID_PARAMETER_VALUE", text)
        settings = {key: value for key, value in given.items() if key in _INPUTS}
        self._check(settings)
        name = table["full_name"]
        with self._state.transaction():
            if self._of_table(table) is not None:
                text = f"Table {name} has a monitor. Update or delete it."
                raise ApiError(409, "ALREADY_EXISTS", text)
            monitor = {
                "id": uuid.uuid4().hex,
                "table": name,
                "table_created_at": table["created_at"],
                "settings": settings,
                "version": 0,
                "status": PENDING,
                "created_ms": clock.now_ms(),
                "failure": None,
            }
            self._state.put(MONITOR, name, monitor)
        return self.show(monitor)

    def find(self, kind: str, identifier: str) -> Document:
        """Return the monitor of an object.

        Raises:
            ApiError: 404 if there is none.
        """
        table = self._table(identifier) if kind == "table" else None
        monitor = None if table is None else self._of_table(table)
        if monitor is None:
            text = f"Cannot find Monitor with ID: /metastores:{METASTORE}/{kind}s:{identifier}/"
            raise ApiError(404, "NOT_FOUND", text)
        return monitor

    def update(self, kind: str, identifier: str, body: Document, mask: str) -> Document:
        """Change the fields of an update mask; fields that the body lacks are removed.

        Raises:
            ApiError: 400 for an empty mask or output fields; otherwise as in `create`.
        """
        paths = [path.strip() for path in mask.split(",") if path.strip()]
        if not paths:
            text = f"update_mask must name fields, such as {_PROFILING}.custom_metrics."
            raise ApiError(400, "INVALID_PARAMETER_VALUE", text)
        with self._state.transaction():
            monitor = self.find(kind, identifier)
            settings = copy.deepcopy(monitor["settings"])
            given = body.get(_PROFILING) or {}
            for path in paths:
                settings = _apply(settings, given, path)
            self._check(settings)
            monitor |= {"settings": settings, "version": monitor["version"] + 1}
            self._state.put(MONITOR, monitor["table"], monitor)
        return self.show(monitor)

    def change(self, monitor: Document, changes: Document) -> None:
        """Update a monitor, unless it was deleted."""
        with self._state.transaction():
            known = self._state.get(MONITOR, monitor["table"])
            if known is not None and known["id"] == monitor["id"]:
                self._state.put(MONITOR, monitor["table"], known | changes)

    def delete(self, monitor: Document) -> None:
        """Delete a monitor; its metric tables remain."""
        self._state.delete(MONITOR, monitor["table"])

    def activate_pending(self) -> None:
        """Activate the monitors that the last process left pending."""
        for monitor in self._state.all(MONITOR):
            if monitor["status"] == PENDING:
                self.change(monitor, {"status": ACTIVE})

    def show(self, monitor: Document) -> Document:
        """Return a monitor as the API shows it."""
        table = self._state.get(TABLE, monitor["table"]) or {}
        settings = copy.deepcopy(monitor["settings"])
        if settings.get("schedule"):
            settings["schedule"]["pause_status"] = "CRON_SCHEDULE_PAUSE_STATUS_UNPAUSED"
        output = self.output_schema(monitor)
        stem = f"{output}.{monitor['table'].rpartition('.')[2]}"
        shown = settings | {
            "monitored_table_name": monitor["table"],
            "profile_metrics_table_name": f"{stem}_profile_metrics",
            "drift_metrics_table_name": f"{stem}_drift_metrics",
            "effective_warehouse_id": settings.get("warehouse_id") or WAREHOUSE,
            "monitor_version": monitor["version"],
            "status": monitor["status"],
        }
        if monitor["failure"]:
            shown["latest_monitor_failure_message"] = monitor["failure"]
        return {
            "object_type": "table",
            "object_id": table.get("table_id"),
            _PROFILING: shown,
        }

    def output_schema(self, monitor: Document) -> str:
        """Return the catalog and schema of a monitor's metric tables."""
        identifier = monitor["settings"]["output_schema_id"]
        for schema in self._state.all(SCHEMA):
            if schema.get("schema_id") == identifier:
                return str(schema["full_name"])
        return str(monitor["table"]).rpartition(".")[0]

    def _table(self, identifier: str) -> Document | None:
        for table in self._state.all(TABLE):
            if table.get("table_id") == identifier:
                return table
        return None

    def _of_table(self, table: Document) -> Document | None:
        monitor = self._state.get(MONITOR, table["full_name"])
        if monitor is None or monitor["table_created_at"] != table["created_at"]:
            return None
        return monitor

    def _check(self, settings: Document) -> Configuration:
        (schema,) = required(settings, "output_schema_id")
        if all(known.get("schema_id") != schema for known in self._state.all(SCHEMA)):
            raise missing("SCHEMA_DOES_NOT_EXIST", "Schema with ID", schema)
        try:
            configuration = read_configuration(settings)
        except NotBuilt as error:
            raise ApiError(501, "NOT_IMPLEMENTED", str(error)) from error
        except ProfilingError as error:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", str(error)) from error
        baseline = configuration.baseline
        if baseline and self._state.get(TABLE, baseline.lower()) is None:
            raise missing("TABLE_DOES_NOT_EXIST", "Baseline table", baseline)
        return configuration


def _apply(settings: Document, given: Document, path: str) -> Document:
    """Return settings with one field of a mask taken from a request."""
    first, _, rest = path.partition(".")
    keys = rest.split(".") if rest else []
    if first != _PROFILING or (keys and keys[0] not in _INPUTS):
        raise ApiError(
            400,
            "INVALID_PARAMETER_VALUE",
            f"update_mask names {path}, which cannot be changed. There are: "
            f"{', '.join(f'{_PROFILING}.{key}' for key in sorted(_INPUTS))}.",
        )
    if not keys:
        return {key: value for key, value in given.items() if key in _INPUTS}
    target, source = settings, given
    for key in keys[:-1]:
        target = target.setdefault(key, {})
        source = source.get(key) or {}
    value: Any = source.get(keys[-1])
    if value is None:
        target.pop(keys[-1], None)
    else:
        target[keys[-1]] = value
    return settings


def require_scipy() -> None:
    """Require scipy, which computes the statistics.

    Raises:
        ApiError: 501 with the extra to install.
    """
    if importlib.util.find_spec("scipy") is None:
        raise ApiError(
            501,
            "NOT_IMPLEMENTED",
            "Data profiling needs scipy, which is not installed. Install the extra: "
            "pip install 'laptop[profiling]'.",
        )
