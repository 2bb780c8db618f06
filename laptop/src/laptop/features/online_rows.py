"""Rows of online tables: selection of the latest rows, and their storage format."""

import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .errors import FeatureError
from .online_keys import INSTANT, returned_floats, stored_keys
from .types import arrow_type

if TYPE_CHECKING:
    from .tables import FeatureTable


def keep_latest(rows: pa.Table, keys: Sequence[str], timeseries_column: str | None) -> pa.Table:
    """Return the latest row of each key.

    Raises:
        FeatureError: A row has no key, or two rows have the same key and timestamp.
    """
    for name in keys:
        if missing := rows.column(name).null_count:
            raise FeatureError(
                f"{missing} rows have no value of {name}, which is a key. Remove them from the "
                "table."
            )
    known = [*keys, *filter(None, [timeseries_column])]
    repeated = int(rows.select(known).to_pandas().duplicated().sum())
    if repeated:
        raise FeatureError(
            f"{repeated} rows repeat the key {known} of another row, so it is ambiguous which "
            "one goes online. Remove them from the table."
        )
    if timeseries_column is None:
        return rows
    ordered = rows.sort_by(timeseries_column)
    superseded = ordered.select(list(keys)).to_pandas().duplicated(keep="last").to_numpy()
    return ordered.filter(pa.array(~superseded))


def digest_rows(rows: pa.Table) -> npt.NDArray[np.int64]:
    """Return a hash of each row to detect changes."""
    frame = rows.to_pandas()
    for field in rows.schema:
        if pa.types.is_nested(field.type):
            frame[field.name] = [
                json.dumps(value, default=_plain) for value in rows.column(field.name).to_pylist()
            ]
    hashed = pd.util.hash_pandas_object(frame, index=False)
    return hashed.to_numpy().view(np.int64)


def stored_columns(rows: pa.Table, table: "FeatureTable") -> list[list[Any]]:
    """Return the columns of the SQL table: keys, then all columns."""
    keys = [stored_keys(rows.column(name), table.types[name]) for name in table.primary_keys]
    return [*keys, *(_stored(rows.column(name), table.types[name]) for name in table.features)]


def value_of(value: Any, kind: str) -> Any:
    """Return a stored feature as the look-up client receives it."""
    if value is None:
        return None
    if kind.startswith("array<"):
        return _items(json.loads(value), kind)
    if kind in ("float", "double"):
        return float(value)
    return bool(value) if kind == "boolean" else _parsed(value, kind)


def _stored(column: pa.ChunkedArray, kind: str) -> list[Any]:
    arrow_type(kind)
    if kind.startswith("array<"):
        values = column.to_pylist()
        return [None if each is None else json.dumps(each, default=_plain) for each in values]
    if kind in ("float", "double"):
        column = returned_floats(column)
        values = column.to_pylist()
        # SQLite stores NaN as NULL.
        nan = pc.any(pc.is_nan(column)).as_py()
        return ["nan" if each != each else each for each in values] if nan else values
    if kind == "timestamp":
        column = pc.strftime(column.cast(pa.timestamp("us", "UTC")), format=INSTANT)
    elif kind == "date" or kind.startswith("decimal"):
        column = column.cast(pa.string())
    return list(column.to_pylist())


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _items(value: Any, kind: str) -> Any:
    if isinstance(value, list):
        inner = kind.removeprefix("array<").removesuffix(">")
        return [_items(item, inner) for item in value]
    return _parsed(value, kind)


def _parsed(value: Any, kind: str) -> Any:
    if not isinstance(value, str):
        return value
    if kind.startswith("decimal"):
        return Decimal(value)
    if kind == "timestamp":
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if kind == "date" else value
