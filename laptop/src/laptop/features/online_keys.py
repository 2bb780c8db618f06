"""Key comparison of online tables, as in the look-up client of a Databricks endpoint.

That client queries PostgreSQL and then matches the rows to the request by equality of Python
values. A naive timestamp therefore never equals the zoned one from the store, a FLOAT equals its
text form in PostgreSQL, and a value that PostgreSQL cannot compare fails the request.
"""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .errors import FeatureError

INTEGERS = frozenset({"tinyint", "smallint", "int", "bigint"})
_FLOATS = frozenset({"float", "double"})
Key = tuple[str | int | bool, ...]
"""A key in the form in which it is stored and compared."""

INSTANT = "%Y-%m-%dT%H:%M:%S+00:00"


def stored_keys(column: pa.ChunkedArray, kind: str) -> list[Any]:
    """Return the values of a key column as they are stored and compared."""
    if kind == "timestamp":
        # Conversion of single values in Python would dominate the time of a publication.
        column = pc.strftime(column.cast(pa.timestamp("us", "UTC")), format=INSTANT)
    elif kind == "date":
        column = column.cast(pa.string())
    elif kind in _FLOATS:
        return [_number(value) for value in returned_floats(column).to_pylist()]
    elif kind.startswith("decimal"):
        return [_decimal(value) for value in column.to_pylist()]
    elif kind not in INTEGERS and kind not in ("string", "boolean"):
        raise FeatureError(f"A key of type {kind} cannot be published. Use BIGINT or STRING.")
    values: list[Any] = column.to_pylist()
    return values


def returned_floats(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return floating point numbers as the driver reads them: from their shortest text."""
    if pa.types.is_float32(column.type):
        return column.cast(pa.string()).cast(pa.float64())
    return column


def wanted_keys(keys: Sequence[Sequence[Any]], kinds: Sequence[str]) -> list[Key | None]:
    """Return each key of a request as it is stored; None for keys that match no row.

    Args:
        keys: Values in the order of the primary keys, in the types of the request's DataFrame.
        kinds: Spark simple type names of the primary keys.

    Raises:
        FeatureError: The query for these keys fails.
    """
    columns = []
    for position, kind in enumerate(kinds):
        values = [key[position] for key in keys]
        if len(values) == 1:
            _check_one(values[0], kind)
        else:
            _check_array(values, kind)
        columns.append([_comparable(value, kind) for value in values])
    wanted: list[Key | None] = []
    for parts in zip(*columns, strict=True):
        known = tuple(part for part in parts if part is not None)
        wanted.append(known if len(known) == len(parts) else None)
    return wanted


def _comparable(value: Any, kind: str) -> str | int | bool | None:
    """Return a value in the form of `stored_keys`; None if it can equal none of them."""
    if value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if kind in INTEGERS:
        return int(value) if isinstance(value, int | float) and value == int(value) else None
    if kind in _FLOATS:
        return _number(float(value)) if isinstance(value, int | float) else None
    if kind.startswith("decimal"):
        exact = Decimal(value) if isinstance(value, int | float | Decimal) else None
        return None if exact is None else _decimal(exact)
    if kind == "timestamp":
        zoned = isinstance(value, datetime) and value.tzinfo is not None
        # Same format as `pc.strftime`, whose seconds have six digits.
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00") if zoned else None
    if kind == "date":
        day = isinstance(value, date) and not isinstance(value, datetime)
        return value.isoformat() if day else None
    return value if isinstance(value, bool if kind == "boolean" else str) else None


def _check_one(value: Any, kind: str) -> None:
    """Raise an error if PostgreSQL cannot compare the value with the column."""
    is_bool = isinstance(value, bool)
    number = isinstance(value, int | float) and not is_bool
    if (number and kind in ("string", "boolean")) or (is_bool and kind != "boolean"):
        raise FeatureError(
            f"The look-up by {value!r} fails: operator does not exist, a key of type "
            f"{kind.upper()} cannot be compared with {_shown(value)}."
        )


def _check_array(values: Sequence[Any], kind: str) -> None:
    """Raise an error if the driver cannot send the array, or PostgreSQL cannot cast it."""
    types = {_shown(value) for value in values if value is not None}
    if len(types) > 1:
        raise FeatureError(
            f"The look-up of a key of type {kind.upper()} fails: cannot dump lists of mixed "
            f"types; got: {', '.join(sorted(types))}. A missing value is a float: send null."
        )
    if pd.NaT in values:
        raise FeatureError(
            f"The look-up of a key of type {kind.upper()} fails: invalid input syntax for type "
            'timestamp: "NaT". Send a time in every row.'
        )
    if kind in INTEGERS and any(isinstance(v, float) and not math.isfinite(v) for v in values):
        raise FeatureError(f"The look-up of a key of type {kind.upper()} fails: out of range.")


def _shown(value: Any) -> str:
    return "datetime" if value is pd.NaT or isinstance(value, datetime) else type(value).__name__


def _number(value: float | None) -> str | None:
    # Zero and minus zero are equal.
    return None if value is None else repr(value + 0.0)


def _decimal(value: Decimal | None) -> str | None:
    if value is None:
        return None
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
