"""Rows of online tables: which of a feature table's go online, and how they are stored."""

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from .errors import FeatureError
from .online_keys import key_text, returned_floats, stored_keys

if TYPE_CHECKING:
    from .tables import FeatureTable


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


def texts_of(rows: pa.Table, table: "FeatureTable") -> Iterator[tuple[str, str]]:
    """Return each row's key and features as text."""
    keys = [stored_keys(rows.column(name), table.types[name]) for name in table.primary_keys]
    names = [name for name in table.features if name not in table.primary_keys]
    values = rows.select(names)
    for position, field in enumerate(values.schema):
        if pa.types.is_float32(field.type):
            values = values.set_column(position, field.name, returned_floats(values[field.name]))
    for *key, row in zip(*keys, values.to_pylist(), strict=True):
        yield key_text(key), json.dumps(row, default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise FeatureError(
        f"A feature of type {type(value).__name__} cannot be published on the laptop. "
        "Allowed: numbers, booleans, strings, dates, timestamps, arrays of these."
    )


def value_of(value: Any, kind: str) -> Any:
    """Return a stored feature as the look-up client receives it."""
    if isinstance(value, list):
        return [value_of(item, kind.removeprefix("array<").removesuffix(">")) for item in value]
    if not isinstance(value, str):
        return value
    if kind.startswith("decimal"):
        return Decimal(value)
    if kind == "timestamp":
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if kind == "date" else value
