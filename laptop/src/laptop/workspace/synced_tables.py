"""Synced tables, which publish feature tables to online stores asynchronously."""

import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from .errors import ApiError, missing
from .publishing import Publishing
from .state import Document, State
from .unity import COMMITS, TABLE

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql.connect.session import SparkSession

    from ..features.online import OnlineStore
    from ..features.tables import FeatureTable

SYNCED = "synced-table"

FIRST, LATER = "PROVISIONING_INITIAL_SNAPSHOT", "ONLINE_TRIGGERED_UPDATE"
ONLINE, FOLLOWING = "ONLINE_NO_PENDING_UPDATE", "ONLINE_CONTINUOUS_UPDATE"
OFFLINE_FAILED, UPDATE_FAILED = "OFFLINE_FAILED", "ONLINE_PIPELINE_FAILED"

CONTINUOUS = "CONTINUOUS"
_MODES = ("TRIGGERED", "SNAPSHOT", CONTINUOUS)
_PATIENCE_SECONDS = 1.0
# Interval at which continuous tables are synced.
_FOLLOW_SECONDS = 0.5


class SyncFailed(Exception):
    """A simulated failure of a sync."""


class SyncedTables:
    """The synced tables of a workspace.

    A publication runs in a thread after its request has returned, so it outlives the task that
    requested it. `resume` restarts the unfinished publications of the last process.

    Args:
        state: The workspace's state.
        open_session: Opens a session on the engine.
    """

    def __init__(self, state: State, open_session: Callable[[], "SparkSession"]) -> None:
        self._state = state
        self._open_session = open_session
        self._publishing = Publishing(state.folder)
        self._closing = threading.Event()
        # Held while rows are written, so that a table is not deleted during a sync.
        self._writing = threading.Lock()
        self._syncs: list[threading.Thread] = []
        self._follower: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether a sync is running."""
        return any(sync.is_alive() for sync in self._syncs)

    def resume(self) -> None:
        """Restart the unfinished syncs of the last process."""
        for table in self._state.all(SYNCED):
            if in_progress(table):
                self._start(table)
            elif table["mode"] == CONTINUOUS:
                self._follow()

    def get(self, name: str) -> Document:
        """Return a synced table as the API shows it."""
        return shown(self._get(name))

    def publish(self, source: str, spec: Document) -> Document:
        """Record a publication and start its sync.

        Args:
            source: Feature table.
            spec: `publish_spec` of the request.

        Raises:
            ApiError: 404 for an unknown source, 400 for one that cannot be published, 409 while
                a sync of the online table is in progress.
        """
        name, store, mode = (
            spec.get(key) or "" for key in ("online_table_name", "online_store", "publish_mode")
        )
        if not name or not store:
            text = "publish_spec needs online_store and online_table_name."
            raise ApiError(400, "INVALID_PARAMETER_VALUE", text)
        if mode not in _MODES:
            text = f"Publish mode '{mode}' is not supported on the laptop. There are: {_MODES}."
            raise ApiError(501, "NOT_IMPLEMENTED", text)
        described = self._describe(source)
        with self._state.transaction():
            table = self._state.get(SYNCED, name)
            if table is None:
                table = {"name": name, "id": uuid.uuid4().hex, "pipeline_id": str(uuid.uuid4())}
            elif in_progress(table):
                raise ApiError(
                    409,
                    "RESOURCE_CONFLICT",
                    f"Online table '{name}' cannot be published: an active update already exists "
                    f"for pipeline '{table['pipeline_id']}', a sync is in progress. Wait for it.",
                )
            elif table["source"] != source:
                raise ApiError(
                    400,
                    "INVALID_PARAMETER_VALUE",
                    f"Online table {name} shows {table['source']}, and cannot show {source} too. "
                    "Publish under another online_table_name.",
                )
            table |= {
                "source": source,
                "store": store,
                "mode": mode,
                "primary_keys": described.primary_keys,
                "timeseries_column": described.timeseries_column,
                "state": LATER if table.get("last_sync") else FIRST,
                "message": f"Syncing {source}.",
                "requested_at": time.time(),
            }
            self._state.put(SYNCED, name, table)
        self._start(table)
        if mode == CONTINUOUS:
            self._follow()
        # As on Databricks, where the response often has no pipeline ID.
        return {"online_table_name": name}

    def delete(self, name: str) -> None:
        """Delete a synced table with its rows; a sync in progress is discarded."""
        with self._writing:
            known = self._state.delete(SYNCED, name)
            if not self._store.withdraw(name) and not known:
                raise missing("RESOURCE_DOES_NOT_EXIST", "Online table", name)

    def close(self) -> None:
        """Stop; the next process restarts syncs in progress."""
        self._closing.set()
        for sync in [*self._syncs, *filter(None, [self._follower])]:
            sync.join(_PATIENCE_SECONDS)
        if "_session" in self.__dict__:
            # Otherwise it would retry requests to the stopped engine at exit.
            self._session.stop()

    @cached_property
    def _store(self) -> "OnlineStore":
        # The import takes a second.
        from ..features.online import OnlineStore

        return OnlineStore(self._state.folder)

    @cached_property
    def _session(self) -> "SparkSession":
        return self._open_session()

    def _get(self, name: str) -> Document:
        table = self._state.get(SYNCED, name)
        if table is None:
            there = [known["name"] for known in self._state.all(SYNCED)]
            raise missing("RESOURCE_DOES_NOT_EXIST", "Synced table", name, there)
        return table

    def _describe(self, source: str) -> "FeatureTable":
        from databricks.sdk.service.catalog import TableInfo

        from ..features.errors import FeatureError
        from ..features.tables import read_info

        document = self._state.get(TABLE, source)
        if document is None:
            raise missing("TABLE_DOES_NOT_EXIST", "Table", source)
        try:
            return read_info(TableInfo.from_dict(document))
        except FeatureError as error:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", str(error)) from error

    def _start(self, table: Document) -> None:
        thread = threading.Thread(target=self._run, args=(table,), daemon=True)
        self._syncs = [sync for sync in self._syncs if sync.is_alive()] + [thread]
        thread.start()

    def _run(self, table: Document) -> None:
        try:
            message = self._publishing.wait(table["name"], table["requested_at"], self._closing)
            if self._closing.is_set():
                return
            if message is not None:
                raise SyncFailed(message)
            self._sync(table)
        except Exception as error:
            if self._closing.is_set():
                # The engine is shutting down.
                return
            failed = UPDATE_FAILED if table.get("last_sync") else OFFLINE_FAILED
            self._settle(table, {"state": failed, "message": str(error)})

    def _follow(self) -> None:
        """Start the thread that syncs continuous tables."""
        if self._follower is None:
            self._follower = threading.Thread(target=self._look, daemon=True)
            self._follower.start()

    def _look(self) -> None:
        while not self._closing.wait(_FOLLOW_SECONDS):
            for table in self._state.all(SYNCED):
                if table["state"] != FOLLOWING:
                    continue
                try:
                    content = self._content(self._describe(table["source"]))
                    if {key: table["last_sync"][key] for key in content} != content:
                        self._sync(table)
                except Exception as error:
                    if not self._closing.is_set():
                        self._settle(table, {"state": UPDATE_FAILED, "message": str(error)})

    def _sync(self, table: Document) -> None:
        source = self._describe(table["source"])
        started = time.time()
        content = self._content(source)
        last = table.get("last_sync") or {}
        unchanged = {key: last.get(key) for key in content} == content
        rows = None if unchanged else self._read(source, content["version"])
        with self._writing:
            if not self._is_current(table):
                return
            message = f"Nothing has changed in {source.name}."
            if rows is not None:
                count = self._store.publish(
                    source, rows, store=table["store"], online_table=table["name"]
                )
                message = f"Synced {count} rows of {source.name}."
            position = {"start": started, "end": time.time(), **content}
            state = FOLLOWING if table["mode"] == CONTINUOUS else ONLINE
            self._settle(table, {"state": state, "message": message, "last_sync": position})

    def _content(self, source: "FeatureTable") -> Document:
        """Return the version, keys and types of a source; a change of these requires a sync."""
        commits = self._state.get(COMMITS, source.table_id) or {"commits": [], "latest": 0}
        latest = int(commits["latest"])
        made = [c["timestamp"] for c in commits["commits"] if c["version"] == latest]
        committed = made[0] if made else source.creation_timestamp
        return {
            "table_id": source.table_id,
            "version": latest,
            "committed": (committed or 0) / 1000,
            "keys": source.key_columns,
            "types": dict(source.types),
        }

    def _read(self, source: "FeatureTable", version: int) -> "pa.Table":
        from ..features.tables import quote_table

        return self._session.sql(
            f"SELECT * FROM {quote_table(source.name)} VERSION AS OF {version}"
        ).toArrow()

    def _is_current(self, table: Document) -> bool:
        current = self._state.get(SYNCED, table["name"])
        return current is not None and current["id"] == table["id"]

    def _settle(self, table: Document, changes: Document) -> None:
        with self._state.transaction():
            if self._is_current(table):
                self._state.put(SYNCED, table["name"], table | changes)


def in_progress(table: Document) -> bool:
    """Return whether a sync of a table is waiting or running."""
    return table["state"] in (FIRST, LATER)


def shown(table: Document) -> Document:
    """Return a synced table as the API shows it."""
    status: Document = {
        "detailed_state": f"SYNCED_TABLE_{table['state']}",
        "message": table["message"],
        "pipeline_id": table["pipeline_id"],
    }
    last = table.get("last_sync")
    if last:
        status["last_sync"] = {
            "sync_start_timestamp": instant(last["start"]),
            "sync_end_timestamp": instant(last["end"]),
            "delta_table_sync_info": {
                "delta_commit_version": last["version"],
                "delta_commit_timestamp": instant(last["committed"]),
            },
        }
    processed = {}
    if last:
        processed = {
            "last_processed_commit_version": last["version"],
            "timestamp": instant(last["end"]),
        }
    if table["state"] == FOLLOWING:
        status["continuous_update_status"] = processed
    elif table["state"] in (ONLINE, LATER):
        status["triggered_update_status"] = processed
    elif table["state"] in (OFFLINE_FAILED, UPDATE_FAILED):
        status["failed_status"] = processed
    spec = {
        "source_table_full_name": table["source"],
        "primary_key_columns": table["primary_keys"],
        "scheduling_policy": table["mode"],
    }
    if table["timeseries_column"]:
        spec["timeseries_key"] = table["timeseries_column"]
    return {
        "name": table["name"],
        "effective_database_instance_name": table["store"],
        "data_synchronization_status": status,
        "spec": spec,
        "unity_catalog_provisioning_state": "ACTIVE",
    }


def instant(seconds: float) -> str:
    """Return a timestamp in the API's format."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
