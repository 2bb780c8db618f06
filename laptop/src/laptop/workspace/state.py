"""The workspace's state: JSON documents by kind and name, in one SQLite file."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Document = dict[str, Any]


class State:
    """A durable, thread-safe store of JSON documents.

    Every write is a committed transaction, so a killed workspace loses no acknowledged write.

    Args:
        folder: The workspace's state folder; the file is `catalog.db` in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        self._db = sqlite3.connect(
            folder / "catalog.db", check_same_thread=False, isolation_level=None
        )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS documents ("
            "kind TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL, "
            "PRIMARY KEY (kind, name)) WITHOUT ROWID"
        )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run a read and the write that depends on it in one transaction."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def put(self, kind: str, name: str, document: Document) -> None:
        """Write a document, replacing an existing one."""
        with self._lock:
            self._db.execute(
                "INSERT OR REPLACE INTO documents VALUES (?, ?, ?)",
                (kind, name, json.dumps(document)),
            )

    def get(self, kind: str, name: str) -> Document | None:
        """Return a document, or None if it does not exist."""
        with self._lock:
            row = self._db.execute(
                "SELECT document FROM documents WHERE kind = ? AND name = ?", (kind, name)
            ).fetchone()
        return None if row is None else json.loads(row[0])

    def all(self, kind: str, prefix: str = "") -> list[Document]:
        """Return all documents of a kind whose names begin with `prefix`, by name."""
        with self._lock:
            rows = self._db.execute(
                "SELECT document FROM documents WHERE kind = ? AND name >= ? AND name < ? "
                "ORDER BY name",
                (kind, prefix, f"{prefix}\U0010ffff"),
            ).fetchall()
        return [json.loads(row[0]) for row in rows]

    def delete(self, kind: str, name: str) -> bool:
        """Delete a document; return whether it existed."""
        with self._lock:
            cursor = self._db.execute(
                "DELETE FROM documents WHERE kind = ? AND name = ?", (kind, name)
            )
        return cursor.rowcount > 0

    def count(self, name: str) -> int:
        """Return the next number of a sequence from 1; numbers are never reused."""
        with self.transaction():
            last = self.get("sequence", name) or {"value": 0}
            value = int(last["value"]) + 1
            self.put("sequence", name, {"value": value})
        return value

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
