"""Payload tables of serving endpoints: rows are spooled to a file and written in batches.

A row is appended to the file before its request is answered, so that a killed workspace loses
none; the next process writes it, exactly once. A thread moves rows from the file to the tables.
"""

import json
import sys
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING

from .ai_gateway import payload_table, table_exists
from .endpoint_live import Log, stamped
from .errors import missing
from .payload_rows import COLUMNS, ID, PROPERTIES, Payload, catalog_columns, to_arrow
from .state import Document, State
from .unity import CATALOG, SCHEMA, TABLE

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

TARGET = "payload-table"
PAUSE_SECONDS = 2.0
_PATIENCE_SECONDS = 10.0
# A batch is sent to the engine in one message.
_MOST_BATCH_BYTES = 32 * 1024 * 1024


class Payloads:
    """The payload tables of a workspace.

    Args:
        state: The workspace's state.
        open_session: Opens a session on the engine.
        delay_seconds: Delay before rows are written.
    """

    def __init__(
        self, state: State, open_session: Callable[[], "SparkSession"], delay_seconds: float = 0
    ) -> None:
        self._state = state
        self._open_session = open_session
        self._delay_seconds = delay_seconds
        self._folder = state.folder / "payloads"
        self._targets = {each["endpoint_id"]: each for each in state.all(TARGET)}
        self._logs: dict[str, Log] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._closing = threading.Event()
        self._file: IO[str] | None = None
        self._suspect: set[str] = set()
        self._thread: threading.Thread | None = None

    def resume(self) -> None:
        """Start the thread that writes rows, first those of the last process."""
        self._folder.mkdir(exist_ok=True)
        self._rotate()
        # Their rows may have been written already.
        self._suspect = {file.name for file in self._batches()}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def enable(self, endpoint_id: str, gateway: Document) -> None:
        """Create a placeholder for a payload table, and log an endpoint's payloads to it.

        Raises:
            ApiError: 404 for a missing catalog or schema, 400 if the table exists.
        """
        table = payload_table(gateway)
        catalog, schema, name = table.split(".", 2)
        if self._state.get(CATALOG, catalog) is None:
            raise missing("CATALOG_DOES_NOT_EXIST", "Catalog", catalog)
        if self._state.get(SCHEMA, f"{catalog}.{schema}") is None:
            raise missing("SCHEMA_DOES_NOT_EXIST", "Schema", f"{catalog}.{schema}")
        if self._state.get(TABLE, table) is not None:
            raise table_exists(table)
        quoted = ".".join(f"`{level}`" for level in (catalog, schema, name))
        self._session.sql(f"CREATE TABLE {quoted} ({ID} STRING)").collect()
        made = self._state.get(TABLE, table) or {}
        target = {"endpoint_id": endpoint_id, "table": table, "table_id": made.get("table_id")}
        self._state.put(TARGET, endpoint_id, target)
        self._targets[endpoint_id] = target

    def disable(self, endpoint_id: str) -> None:
        """Stop logging payloads of an endpoint; its table remains."""
        self._state.delete(TARGET, endpoint_id)
        self._targets.pop(endpoint_id, None)

    def add(self, endpoint_id: str, payload: Payload, log: Log) -> None:
        """Spool a row if the endpoint's payloads are logged.

        Args:
            endpoint_id: The endpoint.
            payload: The request and its answer.
            log: Log of the served entity, for reasons why payloads are not logged.
        """
        target = self._targets.get(endpoint_id)
        if target is None or not payload.is_logged:
            return
        try:
            self._logs[target["table_id"]] = log
            line = json.dumps({"target": target, "row": payload.row()})
            with self._lock:
                if self._file is None:
                    self._file = self._spool.open("a")
                self._file.write(f"{line}\n")
                self._file.flush()
        except Exception as error:
            # Logging errors must not fail the request.
            log.service.append(stamped(f"Its payload is not logged: {error}"))

    def close(self) -> None:
        """Write the rows that are due; the next process writes the rest."""
        self._closing.set()
        if self._thread:
            self._thread.join(_PATIENCE_SECONDS)
        if self._writing.acquire(timeout=_PATIENCE_SECONDS):
            try:
                self._write_due()
            finally:
                self._writing.release()
        if "_session" in self.__dict__:
            # Otherwise it would retry requests to the stopped engine at exit.
            self._session.stop()

    @cached_property
    def _session(self) -> "SparkSession":
        return self._open_session()

    @property
    def _spool(self) -> Path:
        return self._folder / "new.jsonl"

    def _batches(self) -> list[Path]:
        return sorted(self._folder.glob("*-*.jsonl"))

    def _run(self) -> None:
        while not self._closing.wait(PAUSE_SECONDS):
            with self._writing:
                self._write_due()

    def _rotate(self) -> None:
        """Turn the spool file into a batch named by the current time."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
            if self._spool.exists():
                name = f"{int(time.time() * 1000):015d}-{uuid.uuid4().hex}.jsonl"
                self._spool.rename(self._folder / name)

    def _write_due(self) -> None:
        try:
            self._rotate()
            for batch in self._batches():
                if int(batch.name.partition("-")[0]) / 1000 + self._delay_seconds > time.time():
                    return
                self._write(batch)
                batch.unlink()
        except Exception as error:
            # The engine may be shutting down; the rows remain in their files.
            self._suspect |= {file.name for file in self._batches()}
            print(f"Payloads are not written yet: {error}", file=sys.stderr, flush=True)

    def _write(self, batch: Path) -> None:
        groups: dict[str, tuple[Document, list[Document]]] = {}
        for line in batch.read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                # Partly written: the workspace was killed before it answered the request.
                continue
            target = entry["target"]
            groups.setdefault(target["table_id"], (target, []))[1].append(entry["row"])
        for target, rows in groups.values():
            self._append(target, rows, suspect=batch.name in self._suspect)

    def _append(self, target: Document, rows: list[Document], *, suspect: bool) -> None:
        problem = self._find_problem(target)
        if problem:
            self._stop(target, problem)
            return
        quoted = ".".join(f"`{level}`" for level in target["table"].split(".", 2))
        self._widen(target["table"], quoted)
        if suspect:
            written = self._session.sql(f"SELECT {ID} FROM {quoted}").toArrow()
            known = set(written.column(0).to_pylist())
            rows = [row for row in rows if row[ID] not in known]
        for part in parts(rows):
            self._session.createDataFrame(to_arrow(part)).write.mode("append").saveAsTable(quoted)

    def _find_problem(self, target: Document) -> str:
        table = self._state.get(TABLE, target["table"])
        if table is None or table["table_id"] != target["table_id"]:
            return "was dropped, renamed or replaced"
        columns = [column["name"] for column in table.get("columns") or []]
        if columns not in ([ID], [name for name, _, _ in COLUMNS]):
            return f"has other columns: {', '.join(columns)}"
        return ""

    def _stop(self, target: Document, problem: str) -> None:
        current = self._targets.get(target["endpoint_id"])
        if current == target:
            self._targets.pop(target["endpoint_id"], None)
            self._state.delete(TARGET, target["endpoint_id"])
        text = (
            f"Payloads are no longer logged: table {target['table']} {problem}. Disable the "
            "endpoint's inference table, and enable it with a prefix that is not in use."
        )
        log = self._logs.pop(target["table_id"], None)
        if log:
            log.service.append(stamped(text))
        print(text, file=sys.stderr, flush=True)

    def _widen(self, table: str, quoted: str) -> None:
        """Add the columns of payloads to a placeholder."""
        there = self._state.get(TABLE, table) or {}
        if len(there["columns"]) > 1:
            return
        more = ", ".join(f"{name} {kind}" for name, kind, _ in COLUMNS[1:])
        self._session.sql(f"ALTER TABLE {quoted} ADD COLUMNS ({more})").collect()
        with self._state.transaction():
            there = self._state.get(TABLE, table) or {}
            shown = {**(there.get("properties") or {}), **PROPERTIES}
            changed = {"columns": catalog_columns(), "properties": shown}
            self._state.put(TABLE, table, there | changed)


def parts(rows: list[Document]) -> list[list[Document]]:
    """Return rows in lists that each fit into one message."""
    found: dict[int, list[Document]] = defaultdict(list)
    size = 0
    for row in rows:
        size += len(row["request"] or "") + len(row["response"] or "")
        found[size // _MOST_BATCH_BYTES].append(row)
    return list(found.values())
