"""The online store, in which an endpoint looks features up."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from time import monotonic, sleep
from typing import TYPE_CHECKING

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from databricks.sdk.service.database import SyncedTableState, SyncedTableStatus

from .context import Lakehouse
from .errors import OnlineStoreMissingError, PublicationError

if TYPE_CHECKING:
    from databricks.feature_engineering import FeatureEngineeringClient

PATIENCE = timedelta(minutes=50)
GRACE = timedelta(minutes=2)
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 15.0
ATTEMPTS = 3
SETTLED = (
    SyncedTableState.SYNCED_TABLE_ONLINE,
    SyncedTableState.SYNCED_TABLE_ONLINE_NO_PENDING_UPDATE,
)
FAILED = (
    SyncedTableState.SYNCED_TABLE_OFFLINE_FAILED,
    SyncedTableState.SYNCED_TABLE_ONLINE_PIPELINE_FAILED,
)


def online_name(table: str) -> str:
    """Return the name of a feature table's online table."""
    return f"{table}_online"


def require_online_store(feature_store: "FeatureEngineeringClient", name: str) -> None:
    """Check that the online store exists.

    Raises:
        OnlineStoreMissingError: No name is given, or the store does not exist.
    """
    if not name or feature_store.get_online_store(name=name) is None:
        raise OnlineStoreMissingError(name)


def read_sync(workspace: WorkspaceClient, online: str) -> SyncedTableStatus | None:
    """Return the sync status of an online table; None if it does not exist."""
    try:
        table = workspace.database.get_synced_database_table(online)
    except NotFound:
        return None
    return table.data_synchronization_status or SyncedTableStatus()


def publish_features(
    lakehouse: Lakehouse, store: str, tables: Sequence[str], wait: Callable[[float], None] = sleep
) -> Mapping[str, str]:
    """Publish feature tables, wait until their rows are online, and return the online names.

    Publishing is asynchronous, and Databricks allows one publication of a table at a time.

    Raises:
        OnlineStoreMissingError: No name is given, or the store does not exist.
        PublicationError: A publication failed or timed out.
    """
    require_online_store(lakehouse.feature_store, store)
    published = {table: online_name(table) for table in tables}
    before = {
        online: await_settled(lakehouse.workspace, online, wait) for online in published.values()
    }
    for table, online in published.items():
        request_publication(lakehouse, store, table, online, wait)
    for online, status in before.items():
        await_publication(lakehouse.workspace, online, status, wait)
    return published


def request_publication(
    lakehouse: Lakehouse, store: str, table: str, online: str, wait: Callable[[float], None]
) -> None:
    """Request the publication of a table, after any that is in progress."""
    for attempt in range(ATTEMPTS):
        try:
            lakehouse.feature_store.publish_table(
                online_store=lakehouse.feature_store.get_online_store(name=store),
                source_table_name=table,
                online_table_name=online,
                publish_mode="TRIGGERED",
            )
        except Exception:
            # The client's exception does not tell a conflict from other errors; the status does.
            status = read_sync(lakehouse.workspace, online)
            if status is None or not is_busy(status) or attempt == ATTEMPTS - 1:
                raise
            await_settled(lakehouse.workspace, online, wait)
        else:
            return


def await_settled(
    workspace: WorkspaceClient, online: str, wait: Callable[[float], None]
) -> SyncedTableStatus | None:
    """Wait until no publication of an online table is in progress, and return its status."""
    for _ in watch(online, wait):
        status = read_sync(workspace, online)
        if status is None or not is_busy(status):
            return status
    raise AssertionError("watching ends with an error")


def await_publication(
    workspace: WorkspaceClient,
    online: str,
    before: SyncedTableStatus | None,
    wait: Callable[[float], None],
) -> None:
    """Wait until a requested publication has ended; `before` is its status before the request.

    Raises:
        PublicationError: The publication failed or timed out.
    """
    begun = False
    for waited in watch(online, wait):
        status = read_sync(workspace, online)
        if status is None:
            continue
        begun = begun or is_busy(status) or started_at(status) != started_at(before)
        if begun and status.detailed_state in SETTLED:
            return
        failed = status.detailed_state in FAILED
        # A failed status from before the request may still be shown.
        fresh = begun or before is None or before.detailed_state not in FAILED or waited > GRACE
        if failed and fresh:
            raise PublicationError(online, status.message or "the service gives no reason")


def watch(online: str, wait: Callable[[float], None]) -> Iterator[timedelta]:
    """Yield the time waited for an online table, after pauses of a fifth of it.

    Raises:
        PublicationError: The time is over.
    """
    start = monotonic()
    while (waited := timedelta(seconds=monotonic() - start)) < PATIENCE:
        yield waited
        wait(min(max(SHORTEST_PAUSE, waited.total_seconds() / 5), LONGEST_PAUSE))
    raise PublicationError(online, f"it was still under way after {PATIENCE}")


def is_busy(status: SyncedTableStatus) -> bool:
    """Return whether a publication of an online table is in progress."""
    return status.detailed_state not in (*SETTLED, *FAILED)


def started_at(status: SyncedTableStatus | None) -> str | None:
    """Return the start of the last successful publication."""
    position = status.last_sync if status else None
    return position.sync_start_timestamp if position else None


def unpublish(workspace: WorkspaceClient, table: str) -> str:
    """Delete a feature table's online table if it exists, and return its name."""
    online = online_name(table)
    with contextlib.suppress(NotFound):
        workspace.feature_store.delete_online_table(online)
    return online


def find_outage(workspace: WorkspaceClient, online: str) -> str:
    """Return why look-ups in an online table fail; empty if they work."""
    status = read_sync(workspace, online)
    state = status.detailed_state if status else None
    if state and state.value.startswith("SYNCED_TABLE_ONLINE"):
        return ""
    return f"its state is {state.value}" if state else "it does not exist"


def require_online(workspace: WorkspaceClient, tables: Sequence[str]) -> None:
    """Check that features can be looked up in the online table of each feature table.

    Raises:
        PublicationError: A table was never published, or its first publication did not succeed.
    """
    for table in tables:
        online = online_name(table)
        if why := find_outage(workspace, online):
            raise PublicationError(online, why)
