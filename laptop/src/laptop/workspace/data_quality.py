"""Data quality: table monitors and their refreshes, `w.data_quality` in the SDK."""

import shutil
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from .. import clock
from ..profiling.configuration import read_configuration
from .errors import ApiError
from .monitors import ACTIVE, MONITOR, Monitors, require_scipy
from .requests import JsonBody, page
from .state import Document, State
from .unity import COMMITS, TABLE

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

REFRESH = "monitor-refresh"
_STATE, _TRIGGER = "MONITOR_REFRESH_STATE_", "MONITOR_REFRESH_TRIGGER_"
WAITING, RUNNING = f"{_STATE}PENDING", f"{_STATE}RUNNING"
SUCCESS, FAILED, CANCELED = f"{_STATE}SUCCESS", f"{_STATE}FAILED", f"{_STATE}CANCELED"
_PATIENCE_SECONDS = 1.0
_PAGE = 100
_FOLDER = "profiling"


class _Ended(Exception):
    """The refresh was canceled, or the workspace shuts down."""


class DataQuality:
    """Monitors and refreshes of a workspace.

    Refreshes run one at a time in threads, after their requests have returned.

    Args:
        state: The workspace's state.
        open_session: Opens a session on the engine.
    """

    def __init__(self, state: State, open_session: Callable[[], "SparkSession"]) -> None:
        self.monitors = Monitors(state)
        self._state = state
        self._open_session = open_session
        self._closing = threading.Event()
        self._turn = threading.Lock()
        self._threads: list[threading.Thread] = []

    @property
    def busy(self) -> bool:
        """Whether a refresh is waiting or running."""
        return any(thread.is_alive() for thread in self._threads)

    def resume(self) -> None:
        """Activate pending monitors, and fail the unfinished refreshes of the last process."""
        shutil.rmtree(self._state.folder / _FOLDER, ignore_errors=True)
        self.monitors.activate_pending()
        for refresh in self._state.all(REFRESH):
            if in_progress(refresh):
                text = "The workspace ended before the refresh did. Refresh again."
                self._settle(refresh, FAILED, text)

    def create_monitor(self, body: Document) -> Document:
        """Create a monitor, which becomes active at once."""
        shown = self.monitors.create(body)
        monitor = self.monitors.find("table", shown["object_id"])
        self._start(lambda: self.monitors.change(monitor, {"status": ACTIVE}))
        return shown

    def delete_monitor(self, kind: str, identifier: str) -> None:
        """Delete a monitor and its refreshes; the metric tables remain."""
        monitor = self.monitors.find(kind, identifier)
        with self._state.transaction():
            for refresh in self.refreshes(monitor):
                self._state.delete(REFRESH, refresh["key"])
            self.monitors.delete(monitor)

    def refreshes(self, monitor: Document) -> list[Document]:
        """Return the refreshes of a monitor, latest first."""
        found = self._state.all(REFRESH, f"{monitor['id']}/")
        return sorted(found, key=lambda each: -each["refresh_id"])

    def create_refresh(self, kind: str, identifier: str) -> Document:
        """Create a refresh and start it."""
        require_scipy()
        monitor = self.monitors.find(kind, identifier)
        number = self._state.count("monitor refreshes")
        refresh: Document = {
            "key": f"{monitor['id']}/{number}",
            "refresh_id": number,
            "state": WAITING,
            "trigger": f"{_TRIGGER}MANUAL",
            "start_time_ms": clock.now_ms(),
        }
        self._state.put(REFRESH, refresh["key"], refresh)
        self._start(lambda: self._run(monitor["table"], refresh))
        return refresh

    def find_refresh(self, monitor: Document, number: int) -> Document:
        """Return a refresh.

        Raises:
            ApiError: 404 if it does not exist.
        """
        refresh = self._state.get(REFRESH, f"{monitor['id']}/{number}")
        if refresh is None:
            text = f"Cannot find Refresh with ID: {number} of table {monitor['table']}."
            raise ApiError(404, "NOT_FOUND", text)
        return refresh

    def cancel(self, monitor: Document, number: int) -> Document:
        """Cancel a refresh if it is in progress, and return it."""
        refresh = self.find_refresh(monitor, number)
        if in_progress(refresh):
            self._settle(refresh, CANCELED, "Canceled.")
        return self.find_refresh(monitor, number)

    def close(self) -> None:
        """Stop; the next process fails unfinished refreshes."""
        self._closing.set()
        for thread in self._threads:
            thread.join(_PATIENCE_SECONDS)
        if "_session" in self.__dict__:
            # Otherwise it would retry requests to the stopped engine at exit.
            self._session.stop()

    @cached_property
    def _session(self) -> "SparkSession":
        return self._open_session()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def _run(self, table: str, refresh: Document) -> None:
        folder = self._state.folder / _FOLDER / uuid.uuid4().hex
        with self._turn:
            monitor = self._state.get(MONITOR, table)
            try:
                self._check(refresh)
                if monitor is None:
                    return
                self._put(refresh, {"state": RUNNING})
                message = self._profile(monitor, refresh, folder)
                self._settle(refresh, SUCCESS, message)
                self.monitors.change(monitor, {"failure": None})
            except _Ended:
                return
            except Exception as error:
                if self._closing.is_set():
                    # The engine is shutting down.
                    return
                self._settle(refresh, FAILED, str(error))
                if monitor is not None:
                    self.monitors.change(monitor, {"failure": str(error)})
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def _profile(self, monitor: Document, refresh: Document, folder: Any) -> str:
        # The import takes a second.
        from ..profiling.profiler import Profiler, Refresh

        table = self._state.get(TABLE, monitor["table"])
        if table is None:
            raise ApiError(
                404, "TABLE_DOES_NOT_EXIST", f"Table {monitor['table']} does not exist any more."
            )
        commits = self._state.get(COMMITS, table["table_id"]) or {"latest": 0}
        wanted = Refresh(
            table=monitor["table"],
            output=self.monitors.output_schema(monitor),
            configuration=read_configuration(monitor["settings"]),
            commit_version=int(commits["latest"]),
            monitor_version=monitor["version"],
            created_at=datetime.fromtimestamp(monitor["created_ms"] / 1000, UTC),
            now=datetime.fromtimestamp(refresh["start_time_ms"] / 1000, UTC),
        )
        return Profiler(self._session, wanted, folder, lambda: self._check(refresh)).run()

    def _check(self, refresh: Document) -> None:
        known = self._state.get(REFRESH, refresh["key"])
        if self._closing.is_set() or known is None or not in_progress(known):
            raise _Ended

    def _settle(self, refresh: Document, state: str, message: str) -> None:
        ended = {"state": state, "message": message, "end_time_ms": clock.now_ms()}
        self._put(refresh, ended)

    def _put(self, refresh: Document, changes: Document) -> None:
        """Update a refresh if it is in progress."""
        with self._state.transaction():
            known = self._state.get(REFRESH, refresh["key"])
            if known is not None and in_progress(known):
                self._state.put(REFRESH, refresh["key"], known | changes)


def in_progress(refresh: Document) -> bool:
    """Return whether a refresh is waiting or running."""
    return refresh["state"] in (WAITING, RUNNING)


def router(quality: DataQuality) -> APIRouter:
    """Return the routes below `/api/data-quality/v1`.

    As on Databricks, monitors cannot be listed, and refreshes cannot be changed or deleted.
    """
    api = APIRouter(prefix="/api/data-quality/v1/monitors")
    monitors = quality.monitors
    place = "/{kind}/{identifier}"

    def shown(refresh: Document, kind: str, identifier: str) -> Document:
        cells = {key: value for key, value in refresh.items() if key != "key"}
        return {"object_type": kind, "object_id": identifier} | cells

    @api.post("")
    def create_monitor(body: JsonBody) -> Any:
        return quality.create_monitor(body)

    @api.get(place)
    def get_monitor(kind: str, identifier: str) -> Any:
        return monitors.show(monitors.find(kind, identifier))

    @api.patch(place)
    def update_monitor(kind: str, identifier: str, body: JsonBody, update_mask: str = "") -> Any:
        return monitors.update(kind, identifier, body, update_mask)

    @api.delete(place)
    def delete_monitor(kind: str, identifier: str) -> Any:
        quality.delete_monitor(kind, identifier)
        return {}

    @api.post(f"{place}/refreshes")
    def create_refresh(kind: str, identifier: str) -> Any:
        return shown(quality.create_refresh(kind, identifier), kind, identifier)

    @api.get(f"{place}/refreshes")
    def list_refreshes(
        kind: str, identifier: str, page_size: int = _PAGE, page_token: str = ""
    ) -> Any:
        found = quality.refreshes(monitors.find(kind, identifier))
        part, after = page(found, page_size or _PAGE, page_token)
        after.pop("has_more")
        return {"refreshes": [shown(each, kind, identifier) for each in part], **after}

    @api.get(f"{place}/refreshes/{{number}}")
    def get_refresh(kind: str, identifier: str, number: int) -> Any:
        monitor = monitors.find(kind, identifier)
        return shown(quality.find_refresh(monitor, number), kind, identifier)

    @api.post(f"{place}/refreshes/{{number}}/cancel")
    def cancel_refresh(kind: str, identifier: str, number: int) -> Any:
        monitor = monitors.find(kind, identifier)
        return {"refresh": shown(quality.cancel(monitor, number), kind, identifier)}

    return api
