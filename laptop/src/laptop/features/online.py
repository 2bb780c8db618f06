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
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .errors import FeatureError
from .types import arrow_type

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
INSTANT = "%Y-%m-%dT%H:%M:%S+00:00"
_INTEGERS = frozenset({"tinyint", "smallint", "int", "bigint"})


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
        meta = (table.name, store, time.time(), json.dumps(table.primary_keys))
        with self._transaction():
            known = self._db.execute(
                "SELECT source FROM online_table WHERE name = ?", (online_table,)
            ).fetchone()
            if known and known[0] != table.name:
                raise FeatureError(
                    f"Online table {online_table} shows {known[0]}, and cannot show {table.name} "
                    "too. Publish under another online_table_name."
                )
            self._db.execute(
                "INSERT OR REPLACE INTO online_table VALUES (?, ?, ?, ?, ?, ?)",
                (online_table, *meta, json.dumps(dict(table.types))),
            )
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
    ) -> pa.Table:
        """Return features by key, one row for each key; nulls where a key is not online.

        Args:
            table: Where to look.
            keys: Values in the order of the table's primary keys, in any form JSON has for them.
            features: Columns to return.

        Raises:
            FeatureError: A key is no value of the column's type.
        """
        kinds = [table.types[key] for key in table.primary_keys]
        wanted = [key_text(key, kinds) for key in keys]
        rows = self._rows(table.name, list({text for text in wanted if text is not None}))
        columns = {}
        for name in features:
            kind = table.types[name]
            if name in table.primary_keys:
                values = [
                    key[table.primary_keys.index(name)] if text in rows else None
                    for key, text in zip(keys, wanted, strict=True)
                ]
            else:
                values = [rows[text][name] if text in rows else None for text in wanted]
            columns[name] = pa.array([_value(value, kind) for value in values], arrow_type(kind))
        return pa.table(columns)

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


def keep_latest(rows: pa.Table, keys: Sequence[str], timeseries_column: str | None) -> pa.Table:
    """Return the latest row of each key.

    Raises:
        FeatureError: Two rows have one key, and time, so that it is open which is the latest.
    """
    known = [*keys, *filter(None, [timeseries_column])]
    repeated = int(rows.select(known).to_pandas().duplicated().sum())
    if repeated:
        raise FeatureError(
            f"{repeated} rows repeat the key {known} of another row, so it is open which one goes "
            "online. Remove them from the table."
        )
    if timeseries_column is None:
        return rows
    ordered = rows.sort_by(timeseries_column)
    superseded = ordered.select(list(keys)).to_pandas().duplicated(keep="last").to_numpy()
    return ordered.filter(pa.array(~superseded))


def digest_rows(rows: pa.Table) -> npt.NDArray[np.int64]:
    """Return a number a row by which an unchanged row is known again."""
    frame = rows.to_pandas()
    for field in rows.schema:
        if pa.types.is_nested(field.type):
            frame[field.name] = [
                json.dumps(value, default=_plain) for value in rows.column(field.name).to_pylist()
            ]
    hashed = pd.util.hash_pandas_object(frame, index=False)
    return hashed.to_numpy().view(np.int64)


def texts_of(rows: pa.Table, table: "FeatureTable") -> Iterator[tuple[str | None, str]]:
    """Return each row's key and features as text."""
    columns = []
    for name in table.primary_keys:
        column, kind = rows.column(name), table.types[name]
        if kind == "timestamp":
            # A key a row through pandas would take most of a publication's time.
            column = pc.strftime(column.cast(pa.timestamp("us", "UTC")), format=INSTANT)
            columns.append(column.to_pylist())
        else:
            columns.append([_canonical(part, kind) for part in column.to_pylist()])
    values = [name for name in table.features if name not in table.primary_keys]
    for *key, row in zip(*columns, rows.select(values).to_pylist(), strict=True):
        yield json.dumps(key), json.dumps(row, default=_plain)


def key_text(key: Sequence[Any], kinds: Sequence[str]) -> str | None:
    """Return one text for all forms of a key, None when a part of it is null.

    Raises:
        FeatureError: A part is no value of its column's type.
    """
    if any(part is None or part is pd.NaT or part != part for part in key):
        return None
    return json.dumps([_canonical(part, kind) for part, kind in zip(key, kinds, strict=True)])


def _canonical(part: Any, kind: str) -> str | int | bool:
    if isinstance(part, np.generic) and not isinstance(part, np.datetime64):
        part = part.item()
    try:
        if kind in _INTEGERS:
            if isinstance(part, bool) or int(part) != float(part):
                raise ValueError(f"{part!r} is no whole number")
            return int(part)
        if kind == "timestamp":
            instant = pd.Timestamp(part)
            instant = instant.tz_localize(UTC) if instant.tz is None else instant.tz_convert(UTC)
            return str(instant.floor("us").isoformat(timespec="microseconds"))
        if kind == "date":
            return str(pd.Timestamp(part).date())
        if kind == "boolean" and isinstance(part, bool):
            return part
        if kind in ("float", "double"):
            return repr(float(part))
        if kind == "string" and isinstance(part, str | int):
            return str(part)
    except (ValueError, TypeError) as error:
        raise FeatureError(f"{part!r} is no key of type {kind}: {error}.") from error
    raise FeatureError(f"{part!r} ({type(part).__name__}) is no key of type {kind}.")


def _plain(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise FeatureError(
        f"A feature of type {type(value).__name__} cannot be published on the laptop. "
        "Allowed: numbers, booleans, strings, dates, timestamps, arrays of these."
    )


def _value(value: Any, kind: str) -> Any:
    if isinstance(value, list):
        return [_value(item, kind.removeprefix("array<").removesuffix(">")) for item in value]
    if not isinstance(value, str):
        return value
    if kind.startswith("decimal"):
        return Decimal(value)
    if kind == "timestamp":
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if kind == "date" else value
