"""Joins of features to a spine: point-in-time for lookups with a timestamp, else by key.

A join computes the matching row of the feature table for each row of the spine and takes it
with Arrow, which preserves types, nulls and the spine's rows and order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .errors import FeatureError
from .spec import FeatureColumn, FeatureSpec, Lookup, Step

_INSTANT = pa.timestamp("us", tz="UTC")

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class KeyedTable:
    """Rows of a feature table and their keys.

    Attributes:
        primary_keys: Key columns in the table's order, without the timestamp.
        timeseries_column: Timestamp of each row; None for a table without timestamps.
    """

    rows: pa.Table
    primary_keys: tuple[str, ...]
    timeseries_column: str | None = None


def augment(
    spine: pa.Table, spec: FeatureSpec, find: Callable[[Step, pa.Table], pa.Table]
) -> pa.Table:
    """Add all missing features of a specification to a spine.

    Args:
        spine: Rows to score or to train on; rows, order and columns are preserved.
        spec: The feature specification.
        find: Returns the features of a lookup or function under their output names, one row for
            each row of its spine.
    """
    for step in spec.steps():
        wanted = [output for output in step.outputs if output not in spine.column_names]
        if wanted:
            found = find(step, spine)
            for output in wanted:
                spine = spine.append_column(output, found.column(output))
    for feature in spec.features:
        if feature.default_value is not None:
            position = spine.column_names.index(feature.name)
            filled = _fill(spine.column(feature.name), feature)
            spine = spine.set_column(position, feature.name, filled)
    return spine


def join(spine: pa.Table, table: KeyedTable, lookup: Lookup) -> pa.Table:
    """Return the features of a lookup, one row for each row of the spine.

    A point-in-time lookup takes the last row at or before the spine's timestamp and within the
    lookback window. Without a match, or with a null key or timestamp, features are null.

    Raises:
        FeatureError: Key types differ, or two rows of the table have the same key.
    """
    rows = match(spine, table, lookup)
    features = table.rows.select([name for name, _ in lookup.features]).combine_chunks()
    return features.take(rows).rename_columns([output for _, output in lookup.features])


def match(spine: pa.Table, table: KeyedTable, lookup: Lookup) -> pa.Int64Array:
    """Return for each row of the spine the position of its row in the table, or null."""
    _check_keys(table, lookup)
    wanted, offered = _codes(
        [spine.column(name) for name in lookup.lookup_key],
        [table.rows.column(name) for name in table.primary_keys],
        lookup,
    )
    wanted_at, offered_at = np.zeros_like(wanted), np.zeros_like(offered)
    if lookup.timestamp_lookup_key and table.timeseries_column:
        wanted_at, no_time = _instants(spine.column(lookup.timestamp_lookup_key))
        wanted[no_time] = -1
        offered_at, no_time = _instants(table.rows.column(table.timeseries_column))
        offered[no_time] = -1

    # Key and timestamp are packed into one integer and sorted. The match is the last entry that
    # is not greater than the wanted one, if it has the wanted key.
    width, wanted_tick, offered_tick = _ticks(wanted, wanted_at, offered, offered_at)
    position = np.where(offered < 0, -1, offered * width + offered_tick)
    order = _order(position)
    ordered = position[order]
    _check_unique(ordered, table, lookup)
    target = wanted * width + wanted_tick
    asked = _order(target)
    place = np.empty_like(target)
    # Searching in sorted order keeps memory accesses local.
    place[asked] = np.searchsorted(ordered, target[asked], side="right") - 1
    found = (wanted >= 0) & (place >= 0)
    rows = np.zeros_like(wanted)
    if len(order):
        rows = order[np.maximum(place, 0)]
        found &= offered[rows] == wanted
        if lookup.lookback_window is not None:
            found &= wanted_at - offered_at[rows] <= round(lookup.lookback_window * 1_000_000)
    return pa.array(rows, mask=~found)


def _ticks(
    wanted: Integers, wanted_at: Integers, offered: Integers, offered_at: Integers
) -> tuple[int, Integers, Integers]:
    """Return timestamps as small integers from 1, or 0 before all offered, and their bound.

    `key * bound + timestamp` fits 64 bits.
    """
    first, last = (offered_at.min(), offered_at.max()) if len(offered_at) else (0, 0)
    width = int(last) - int(first) + 2
    if (int(max(wanted.max(initial=0), offered.max(initial=0))) + 1) * width < 2**63:
        return width, np.clip(wanted_at, first - 1, last) - (first - 1), offered_at - (first - 1)
    instants = np.unique(offered_at)
    wanted_tick = np.searchsorted(instants, wanted_at, side="right")
    return len(instants) + 1, wanted_tick, np.searchsorted(instants, offered_at, side="right")


def _order(values: Integers) -> Integers:
    """Return the positions that sort values; fast if they are sorted, as tables often are."""
    if (values[1:] >= values[:-1]).all():
        return np.arange(len(values))
    return np.argsort(values)


def _check_keys(table: KeyedTable, lookup: Lookup) -> None:
    if len(lookup.lookup_key) != len(table.primary_keys):
        raise FeatureError(
            f"Feature table {lookup.table_name} has the primary keys {list(table.primary_keys)}, "
            f"and is looked up by {list(lookup.lookup_key)}: give one column for each key, in "
            "that order."
        )
    if bool(lookup.timestamp_lookup_key) != bool(table.timeseries_column):
        raise FeatureError(
            f"Feature table {lookup.table_name} has the timeseries column "
            f"{table.timeseries_column}, and the lookup has timestamp_lookup_key="
            f"{lookup.timestamp_lookup_key}: give one exactly when the table has the other."
        )


def _check_unique(ordered: Integers, table: KeyedTable, lookup: Lookup) -> None:
    repeated = int(np.count_nonzero((ordered[1:] == ordered[:-1]) & (ordered[1:] >= 0)))
    if repeated:
        keys = [*table.primary_keys, *filter(None, [table.timeseries_column])]
        raise FeatureError(
            f"{repeated} rows of feature table {lookup.table_name} repeat the key {keys} of "
            "another row, so it is ambiguous which one to take. Remove them from the table."
        )


def _codes(
    wanted: Sequence[pa.ChunkedArray], offered: Sequence[pa.ChunkedArray], lookup: Lookup
) -> tuple[Integers, Integers]:
    """Encode the keys of both sides with the same numbers; a key with a null is -1.

    Keys are numbered by first appearance in the table, so a sorted table stays sorted.
    """
    count = len(offered[0])
    codes = np.zeros(count + len(wanted[0]), dtype=np.int64)
    missing = np.zeros(len(codes), dtype=bool)
    for name, left, right in zip(lookup.lookup_key, wanted, offered, strict=True):
        left, right = _alike(left, right, f"{lookup.table_name}, lookup key {name}")
        both = pa.chunked_array([*right.chunks, *left.chunks], type=left.type).combine_chunks()
        encoded = both.dictionary_encode()
        missing |= encoded.indices.is_null().to_numpy(zero_copy_only=False)
        indices = encoded.indices.fill_null(0).to_numpy().astype(np.int64)
        if name == lookup.lookup_key[0]:
            codes = indices
        else:
            combined = codes * max(len(encoded.dictionary), 1) + indices
            codes = pd.factorize(combined)[0].astype(np.int64)
    codes[missing] = -1
    return codes[count:], codes[:count]


def _alike(
    left: pa.ChunkedArray, right: pa.ChunkedArray, what: str
) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    if pa.types.is_timestamp(left.type) and pa.types.is_timestamp(right.type):
        return _utc(left), _utc(right)
    schemas = [pa.schema([("key", column.type)]) for column in (left, right)]
    try:
        common = pa.unify_schemas(schemas, promote_options="permissive").field("key").type
    except pa.ArrowTypeError as error:
        raise FeatureError(
            f"{what}: the DataFrame has {left.type}, the feature table {right.type}. Cast the "
            "DataFrame's column to the table's type."
        ) from error
    return left.cast(common), right.cast(common)


def _instants(column: pa.ChunkedArray) -> tuple[Integers, NDArray[np.bool_]]:
    """Return microseconds since the epoch and a mask of the nulls."""
    instants = _utc(column).cast(pa.int64())
    missing = instants.is_null().to_numpy()
    return instants.fill_null(0).to_numpy(), missing


def _utc(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("us"))
    if not pa.types.is_timestamp(column.type):
        raise FeatureError(
            f"A time of type {column.type} cannot be looked up by. Allowed: timestamp, date."
        )
    # Safe casting would refuse nanoseconds, which Spark does not support.
    if column.type.tz is None:
        return column.cast(pa.timestamp("us"), safe=False).cast(_INSTANT)
    return column.cast(_INSTANT, safe=False)


def _fill(column: pa.ChunkedArray, feature: FeatureColumn) -> pa.ChunkedArray:
    value = pa.scalar(feature.default, type=column.type)
    return pc.if_else(pc.is_null(column, nan_is_null=True), value, column)
