"""The online store: the latest row of each key of a feature table, in one SQLite file.

On the laptop a store of any name can be published to, for the admin who would have made it is
not here. There is no as-of: a lookup finds what was published last.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from .errors import FeatureError
from .online_keys import wanted_keys
from .online_rows import digest_rows, keep_latest, texts_of, value_of

if TYPE_CHECKING:
    from .tables import FeatureTable

FILE = "online.db"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS store (name TEXT PRIMARY KEY, capacity TEXT, created_at TEXT);
CREATE TABLE IF NOT EXISTS online_table (
    name TEXT PRIMARY KEY, source TEXT NOT NULL, store TEXT NOT NULL, published_at REAL NOT NULL,
    primary_keys TEXT NOT NULL, types TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS online_row (
    online_table TEXT, key TEXT, features TEXT NOT NULL, digest INTEGER NOT NULL,
    PRIMARY KEY (online_table, key)
) WITHOUT ROWID;
"""
_KEYS_A_QUERY = 500


@dataclass(frozen=True)
class OnlineTable:
    """A published table.

    Attributes:
        name: Name it was published under.
        source: Feature table it was published from.
        types: Spark simple type name by column of the source.
    """

    name: str
    source: str
    primary_keys: tuple[str, ...]
    types: Mapping[str, str]


class OnlineStore:
    """Published tables of one workspace.

    Writers and readers may be different processes: a reader sees a publication as a whole or
    not at all.

    Args:
        home: The workspace's state folder.
    """

    def __init__(self, home: Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(
            home / FILE, check_same_thread=False, isolation_level=None, timeout=30
        )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.executescript(_SCHEMA)

    def create(self, name: str, capacity: str) -> bool:
        """Record a store; return whether it is new."""
        with self._lock:
            created = self._db.execute(
                "INSERT OR IGNORE INTO store VALUES (?, ?, ?)",
                (name, capacity, datetime.now(UTC).isoformat(timespec="seconds")),
            )
        return created.rowcount > 0

    def resize(self, name: str, capacity: str | None) -> bool:
        """Change a store's capacity, if one is given; return whether there is such a store."""
        with self._lock:
            there = self._db.execute(
                "UPDATE store SET capacity = coalesce(?, capacity) WHERE name = ?", (capacity, name)
            )
        return there.rowcount > 0

    def delete(self, name: str) -> bool:
        """Forget a store; return whether there was one."""
        with self._lock:
            gone = self._db.execute("DELETE FROM store WHERE name = ?", (name,))
        return gone.rowcount > 0

    def stores(self) -> list[tuple[str, str, str]]:
        """Return name, capacity and time of creation of the stores that were created."""
        with self._lock:
            return self._db.execute("SELECT * FROM store ORDER BY name").fetchall()

    def publish(
        self, table: "FeatureTable", rows: pa.Table, *, store: str, online_table: str
    ) -> int:
        """Bring what is online to the latest row of each key, and return how many there are.

        Only rows that are new or have changed are written, as a TRIGGERED publication does.

        Args:
            table: What the catalog knows of the source.
            rows: All rows of the source.
            store: Name of the online store.
            online_table: Name to publish under.

        Raises:
            FeatureError: The online table shows another source already.
        """
        latest = keep_latest(rows, table.primary_keys, table.timeseries_column)
        digests = digest_rows(latest)
        shape = (json.dumps(table.primary_keys), json.dumps(dict(table.types)))
        with self._transaction():
            known = self._db.execute(
                "SELECT source, primary_keys, types FROM online_table WHERE name = ?",
                (online_table,),
            ).fetchone()
            if known and known[0] != table.name:
                raise FeatureError(
                    f"Online table {online_table} shows {known[0]}, and cannot show {table.name} "
                    "too. Publish under another online_table_name."
                )
            self._db.execute(
                "INSERT OR REPLACE INTO online_table VALUES (?, ?, ?, ?, ?, ?)",
                (online_table, table.name, store, time.time(), *shape),
            )
            if known and known[1:] != shape:
                # Rows that are the same are stored under another key, or with other columns.
                self._db.execute("DELETE FROM online_row WHERE online_table = ?", (online_table,))
            there = self._db.execute(
                "SELECT key, digest FROM online_row WHERE online_table = ?", (online_table,)
            ).fetchall()
            stale = ~np.isin(digests, [digest for _, digest in there])
            gone = ~np.isin([digest for _, digest in there], digests)
            self._db.executemany(
                "DELETE FROM online_row WHERE online_table = ? AND key = ?",
                ((online_table, there[position][0]) for position in np.flatnonzero(gone)),
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO online_row VALUES (?, ?, ?, ?)",
                (
                    (online_table, key, text, digest)
                    for (key, text), digest in zip(
                        texts_of(latest.filter(pa.array(stale)), table),
                        digests[stale].tolist(),
                        strict=True,
                    )
                ),
            )
        return int(latest.num_rows)

    def withdraw(self, online_table: str) -> bool:
        """Remove an online table with its rows; return whether there was one."""
        with self._transaction():
            self._db.execute("DELETE FROM online_row WHERE online_table = ?", (online_table,))
            gone = self._db.execute("DELETE FROM online_table WHERE name = ?", (online_table,))
        return gone.rowcount > 0

    def find(self, source: str, features: Sequence[str]) -> OnlineTable:
        """Return the online table that shows features of a feature table.

        Raises:
            FeatureError: The table was not published, or not with these features.
        """
        with self._lock:
            row = self._db.execute(
                "SELECT name, source, primary_keys, types FROM online_table WHERE source = ? "
                "ORDER BY published_at DESC LIMIT 1",
                (source,),
            ).fetchone()
            published = self._db.execute("SELECT DISTINCT source FROM online_table").fetchall()
        if row is None:
            there = ", ".join(sorted(name for (name,) in published)) or "none"
            raise FeatureError(
                f"Feature table {source} is not published online. Published: {there}. Publish it "
                "with FeatureEngineeringClient.publish_table."
            )
        table = OnlineTable(row[0], row[1], tuple(json.loads(row[2])), json.loads(row[3]))
        if missing := [name for name in features if name not in table.types]:
            raise FeatureError(
                f"Online table {table.name} lacks {missing}. It shows: {', '.join(table.types)}. "
                f"Publish {source} again."
            )
        return table

    def lookup(
        self, table: OnlineTable, keys: Sequence[Sequence[Any]], features: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Return features by key, one dictionary for each key; None where a key matches no row.

        Args:
            table: Where to look.
            keys: Values in the order of the table's primary keys, as a request's DataFrame holds
                them.
            features: Columns to return.

        Raises:
            FeatureError: The query fails, as on Databricks for values of another type.
        """
        wanted = wanted_keys(keys, [table.types[key] for key in table.primary_keys])
        rows = self._rows(table.name, list({text for text in wanted if text is not None}))
        found = []
        for key, text in zip(keys, wanted, strict=True):
            # Keys are equal to what the request sent, or the row would not be found.
            row = (
                rows[text] | dict(zip(table.primary_keys, key, strict=True)) if text in rows else {}
            )
            found.append({name: value_of(row.get(name), table.types[name]) for name in features})
        return found

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _rows(self, online_table: str, keys: list[str]) -> dict[str | None, dict[str, Any]]:
        rows: dict[str | None, dict[str, Any]] = {}
        for start in range(0, len(keys), _KEYS_A_QUERY):
            some = keys[start : start + _KEYS_A_QUERY]
            marks = ", ".join("?" * len(some))
            with self._lock:
                found = self._db.execute(
                    "SELECT key, features FROM online_row "
                    f"WHERE online_table = ? AND key IN ({marks})",
                    (online_table, *some),
                ).fetchall()
            rows.update((key, json.loads(text)) for key, text in found)
        return rows

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
