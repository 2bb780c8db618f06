"""Data profiling: configure and refresh the monitor of a table.

Not in the bundle, which supports monitors of the former API only.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic, sleep
from typing import TypeVar

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from databricks.sdk.service.dataquality import (
    DataProfilingConfig,
    Monitor,
    Refresh,
    RefreshState,
)
from databricks.sdk.service.dataquality import DataProfilingStatus as Status

from .errors import LakehouseError

TABLE = "table"
ACTIVE_WITHIN = timedelta(minutes=10)
REFRESHED_WITHIN = timedelta(minutes=60)
LONGEST_PAUSE = 15.0
# Fields of a monitor that this project sets.
FIELDS = ("baseline_table_name", "custom_metrics", "inference_log", "slicing_exprs")
ENDED = {RefreshState.MONITOR_REFRESH_STATE_SUCCESS, RefreshState.MONITOR_REFRESH_STATE_FAILED,
         RefreshState.MONITOR_REFRESH_STATE_CANCELED}  # fmt: skip

Found = TypeVar("Found")


class MonitorError(LakehouseError):
    """Data profiling failed, or did not end in time; has the service's message."""


@dataclass(frozen=True)
class MetricTables:
    """Full names of the tables that a refresh writes."""

    profile: str
    drift: str


def ensure_monitor(
    workspace: WorkspaceClient, table: str, config: DataProfilingConfig
) -> MetricTables:
    """Create or update the monitor of a table, wait until it is active, return its tables.

    Of an existing monitor only `FIELDS` are updated.

    Raises:
        MonitorError: It does not become active.
    """
    table_id = require_id(workspace, table)
    try:
        found = workspace.data_quality.get_monitor(TABLE, table_id)
        changed = find_changes(found.data_profiling_config, config)
        if changed:
            print(f"monitor of {table}: {', '.join(changed)} changed")
            workspace.data_quality.update_monitor(
                TABLE,
                table_id,
                Monitor(object_type=TABLE, object_id=table_id, data_profiling_config=config),
                ",".join(f"data_profiling_config.{name}" for name in changed),
            )
    except NotFound:
        print(f"monitor of {table}: made")
        workspace.data_quality.create_monitor(
            Monitor(object_type=TABLE, object_id=table_id, data_profiling_config=config)
        )
    active = poll(
        lambda: workspace.data_quality.get_monitor(TABLE, table_id).data_profiling_config,
        lambda found: found is None or found.status != Status.DATA_PROFILING_STATUS_PENDING,
        ACTIVE_WITHIN,
    )
    if active is None or active.status != Status.DATA_PROFILING_STATUS_ACTIVE:
        status = active.status.value if active and active.status else "no status"
        why = active and active.latest_monitor_failure_message
        raise MonitorError(
            f"The monitor of {table} is {status}, not ACTIVE: {why or 'no reason is given'}. "
            "Correct what it names and run the job again."
        )
    return MetricTables(
        profile=active.profile_metrics_table_name or f"{table}_profile_metrics",
        drift=active.drift_metrics_table_name or f"{table}_drift_metrics",
    )


def find_changes(found: DataProfilingConfig | None, wanted: DataProfilingConfig) -> list[str]:
    """Return the fields of a monitor that differ from a configuration."""
    had, has = (found.as_dict() if found else {}), wanted.as_dict()
    # The service omits empty fields.
    return [name for name in FIELDS if normal(had.get(name)) != normal(has.get(name))]


def normal(value: object) -> str:
    """Return a field as text with sorted keys."""
    return json.dumps(value or None, sort_keys=True)


def refresh_monitor(workspace: WorkspaceClient, table: str) -> Refresh:
    """Refresh the metrics of a table, and return the refresh once it has ended.

    A refresh in progress may lack the newest rows, so another is started after it.

    Raises:
        MonitorError: The refresh fails, or does not end in time.
    """
    table_id = require_id(workspace, table)
    for before in workspace.data_quality.list_refresh(TABLE, table_id):
        if before.state not in ENDED:
            await_refresh(workspace, table, table_id, before)
    started = workspace.data_quality.create_refresh(
        TABLE, table_id, Refresh(object_type=TABLE, object_id=table_id)
    )
    ended = await_refresh(workspace, table, table_id, started)
    if ended.state != RefreshState.MONITOR_REFRESH_STATE_SUCCESS:
        raise MonitorError(
            f"Refresh {ended.refresh_id} of the monitor of {table} is "
            f"{ended.state.value if ended.state else 'without state'}: "
            f"{ended.message or 'no reason is given'}."
        )
    return ended


def await_refresh(
    workspace: WorkspaceClient, table: str, table_id: str, refresh: Refresh
) -> Refresh:
    """Return a refresh once it has ended.

    Raises:
        MonitorError: It does not end in time.
    """
    number = refresh.refresh_id
    if number is None:
        raise MonitorError(f"A refresh of the monitor of {table} has no id.")
    ended = poll(
        lambda: workspace.data_quality.get_refresh(TABLE, table_id, number),
        lambda found: found.state in ENDED,
        REFRESHED_WITHIN,
    )
    if ended.state not in ENDED:
        raise MonitorError(
            f"Refresh {number} of the monitor of {table} has not ended within "
            f"{REFRESHED_WITHIN}. Look at it in Catalog Explorer, and run the job again."
        )
    return ended


def delete_monitor(workspace: WorkspaceClient, table: str) -> bool:
    """Delete the monitor of a table; return whether there was one. Its metric tables stay."""
    try:
        workspace.data_quality.delete_monitor(TABLE, require_id(workspace, table))
    except NotFound:
        return False
    return True


def require_id(workspace: WorkspaceClient, table: str) -> str:
    """Return a table's id.

    Raises:
        NotFound: The table does not exist.
        MonitorError: Unity Catalog has no id for it.
    """
    found = workspace.tables.get(table).table_id
    if not found:
        raise MonitorError(f"The catalog gives table {table} no id.")
    return found


def poll(read: Callable[[], Found], is_done: Callable[[Found], bool], within: timedelta) -> Found:
    """Read until done or timed out, and return the last result."""
    end, pause = monotonic() + within.total_seconds(), 0.5
    while not is_done(found := read()) and monotonic() < end:
        sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    return found
