"""The online store: the latest row per key of each published feature table, in SQLite.

Stores need no creation before a publication: on Databricks an admin creates them.
Look-ups return the last published row; there is no point-in-time look-up.
"""

import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from .errors import FeatureError
from .online_keys import Key, wanted_keys
from .online_rows import digest_rows, keep_latest, stored_columns, value_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from .tables import FeatureTable

FILE = "online.db"

# `rows` is the name of the SQL table with the rows of a published table.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS store (name TEXT PRIMARY KEY, capacity TEXT, created_at TEXT);
CREATE TABLE IF NOT EXISTS published (
    name TEXT PRIMARY KEY, source TEXT NOT NULL, store TEXT NOT NULL, published_at REAL NOT NULL,
    primary_keys TEXT NOT NULL, types TEXT NOT NULL, rows TEXT NOT NULL
);
CREATE TEMPORARY TABLE gone (digest INTEGER PRIMARY KEY);
DROP TABLE IF EXISTS online_table;
DROP TABLE IF EXISTS online_row;
"""
_KEYS_A_QUERY = 500


@dataclass(frozen=True)
class OnlineTable:
    """A published table.

    Attributes:
        name: Name of the online table.
        source: Name of the feature table.
        types: Spark simple type name by column of the source.
    """

    name: str
    source: str
    primary_keys: tuple[str, ...]
    types: Mapping[str, str]


class OnlineStore:
    """Published tables of one workspace.

    Several processes may read and write: publications are atomic.

    Args:
        state_dir: The workspace's state folder.
    """

    def __init__(self, state_dir: Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(
            state_dir / FILE, check_same_thread=False, isolation_level=None, timeout=30
        )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.executescript(_SCHEMA)

    def create(self, name: str, capacity: str) -> bool:
        """Create a store; return whether it is new."""
        with self._lock:
            created = self._db.execute(
                "INSERT OR IGNORE INTO store VALUES (?, ?, ?)",
                (name, capacity, datetime.now(UTC).isoformat(timespec="seconds")),
            )
        return created.rowcount > 0

    def resize(self, name: str, capacity: str | None) -> bool:
        """Change a store's capacity if one is given; return whether the store exists."""
        with self._lock:
            there = self._db.execute(
                "UPDATE store SET capacity = coalesce(?, capacity) WHERE name = ?", (capacity, name)
            )
        return there.rowcount > 0

    def delete(self, name: str) -> bool:
        """Delete a store; return whether it existed."""
        with self._lock:
            gone = self._db.execute("DELETE FROM store WHERE name = ?", (name,))
        return gone.rowcount > 0

    def stores(self) -> list[tuple[str, str, str]]:
        """Return name, capacity and creation time of the stores."""
        with self._lock:
            return self._db.execute("SELECT * FROM store ORDER BY name").fetchall()

    def publish(
        self, table: "FeatureTable", rows: pa.Table, *, store: str, online_table: str
    ) -> int:
        """Update an online table to the latest row per key, and return their number.

        Only new and changed rows are written, as in a TRIGGERED publication.

        Args:
            table: The catalog's metadata of the source.
            rows: All rows of the source.
            store: Name of the online store.
            online_table: Name of the online table.

        Raises:
            FeatureError: The online table has another source.
        """
        latest = keep_latest(rows, table.primary_keys, table.timeseries_column)
        digests = digest_rows(latest)
        shape = (json.dumps(table.primary_keys), json.dumps(dict(table.types)))
        with self._transaction():
            known = self._db.execute(
                "SELECT source, rows, primary_keys, types FROM published WHERE name = ?",
                (online_table,),
            ).fetchone()
            if known and known[0] != table.name:
                raise FeatureError(
                    f"Online table {online_table} shows {known[0]}, and cannot show {table.name} "
                    "too. Publish under another online_table_name."
                )
            if known and known[2:] == shape:
                into = known[1]
            else:
                # With other keys or columns, the storage format of every row changes.
                self._drop_rows(online_table)
                into = self._create_rows(table)
            self._db.execute(
                "INSERT OR REPLACE INTO published VALUES (?, ?, ?, ?, ?, ?, ?)",
                (online_table, table.name, store, time.time(), *shape, into),
            )
            self._replace(into, table, latest, digests)
        return int(latest.num_rows)

    def withdraw(self, online_table: str) -> bool:
        """Remove an online table with its rows; return whether it existed."""
        with self._transaction():
            self._drop_rows(online_table)
            gone = self._db.execute("DELETE FROM published WHERE name = ?", (online_table,))
        return gone.rowcount > 0

    def find(self, source: str, features: Sequence[str]) -> OnlineTable:
        """Return the online table that contains features of a feature table."""
        with self._lock:
            row = self._db.execute(
                "SELECT name, source, primary_keys, types FROM published WHERE source = ? "
                "ORDER BY published_at DESC LIMIT 1",
                (source,),
            ).fetchone()
            published = self._db.execute("SELECT DISTINCT source FROM published").fetchall()
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
        """Return features by key, one dictionary per key; None for keys without a row.

        Args:
            table: The online table.
            keys: Values in the order of the table's primary keys, in the types of the request's
                DataFrame.
            features: Columns to return.

        Raises:
            FeatureError: The query fails, as on Databricks for values of another type.
        """
        wanted = wanted_keys(keys, [table.types[key] for key in table.primary_keys])
        rows = self._rows(table, list({key for key in wanted if key is not None}), features)
        nothing = dict.fromkeys(features)
        return [dict(rows[key]) if key in rows else dict(nothing) for key in wanted]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _rows(
        self, table: OnlineTable, keys: list[Key], features: Sequence[str]
    ) -> dict[Key | None, dict[str, Any]]:
        by = [_quote(f"key {name}") for name in table.primary_keys]
        columns = ", ".join([*by, *(_quote(name) for name in features)])
        kinds = [table.types[name] for name in features]
        rows: dict[Key | None, dict[str, Any]] = {}
        # One transaction, so that all rows are from the same publication.
        with self._transaction("DEFERRED"):
            known = self._db.execute("SELECT rows FROM published WHERE name = ?", (table.name,))
            name = known.fetchone()
            if name is None:
                raise FeatureError(
                    f"Online Table '{table.name}' does not exist in the Online Store."
                )
            for start in range(0, len(keys), _KEYS_A_QUERY):
                some = keys[start : start + _KEYS_A_QUERY]
                marks = ", ".join([f"({', '.join('?' * len(by))})"] * len(some))
                found = self._db.execute(
                    f"SELECT {columns} FROM {name[0]} WHERE ({', '.join(by)}) IN (VALUES {marks})",
                    [part for key in some for part in key],
                )
                for row in found:
                    values = map(value_of, row[len(by) :], kinds)
                    rows[row[: len(by)]] = dict(zip(features, values, strict=True))
        return rows

    def _create_rows(self, table: "FeatureTable") -> str:
        name = f"rows_{uuid.uuid4().hex}"
        keys = [_quote(f"key {key}") for key in table.primary_keys]
        columns = [*keys, *(_quote(feature) for feature in table.features), "digest"]
        self._db.execute(
            f"CREATE TABLE {name} ({', '.join(columns)}, PRIMARY KEY ({', '.join(keys)})) "
            "WITHOUT ROWID"
        )
        return name

    def _drop_rows(self, online_table: str) -> None:
        known = self._db.execute("SELECT rows FROM published WHERE name = ?", (online_table,))
        for (name,) in known.fetchall():
            self._db.execute(f"DROP TABLE {name}")

    def _replace(
        self, into: str, table: "FeatureTable", latest: pa.Table, digests: "npt.NDArray[np.int64]"
    ) -> None:
        """Update an SQL table to the given rows."""
        there = np.array([d for (d,) in self._db.execute(f"SELECT digest FROM {into}")], np.int64)
        gone = there[~np.isin(there, digests)].tolist()
        self._db.execute("DELETE FROM temp.gone")
        self._db.executemany("INSERT OR IGNORE INTO temp.gone VALUES (?)", zip(gone, strict=True))
        if gone:
            self._db.execute(f"DELETE FROM {into} WHERE digest IN (SELECT digest FROM temp.gone)")
        new = ~np.isin(digests, there)
        columns = [*stored_columns(latest.filter(pa.array(new)), table), digests[new].tolist()]
        marks = ", ".join("?" * len(columns))
        self._db.executemany(
            f"INSERT OR REPLACE INTO {into} VALUES ({marks})", zip(*columns, strict=True)
        )

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        with self._lock:
            self._db.execute(f"BEGIN {kind}")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
