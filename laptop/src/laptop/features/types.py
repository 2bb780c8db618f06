"""Spark types and their equivalents in Arrow, MLflow signatures and model inputs."""

import re

import pandas as pd
import pyarrow as pa
from mlflow.types import DataType
from mlflow.types.schema import Array

from .errors import FeatureError

_ARROW = {
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}

_SIGNATURE = {
    "smallint": DataType.integer,
    "int": DataType.integer,
    "bigint": DataType.long,
    "float": DataType.float,
    "double": DataType.double,
    "boolean": DataType.boolean,
    "date": DataType.datetime,
    "timestamp": DataType.datetime,
    "string": DataType.string,
}


def arrow_type(name: str) -> pa.DataType:
    """Return the Arrow type of a Spark simple type name such as `bigint`."""
    if name in _ARROW:
        return _ARROW[name]
    if array := re.fullmatch(r"array<(.+)>", name):
        return pa.list_(arrow_type(array[1]))
    if decimal := re.fullmatch(r"decimal\((\d+),(\d+)\)", name):
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    raise FeatureError(
        f"A feature of type {name} is not supported on the laptop. "
        f"Allowed: {', '.join(_ARROW)}, decimal, array of these."
    )


def signature_type(name: str) -> DataType | Array | None:
    """Return the MLflow type of a Spark simple type name, or None if MLflow has none."""
    if array := re.fullmatch(r"array<(.+)>", name):
        items = signature_type(array[1])
        return None if items is None else Array(items)
    return _SIGNATURE.get(name)


def model_frame(table: pa.Table) -> pd.DataFrame:
    """Return a model's input as a pandas frame.

    Used by batch scoring and serving, so that a model gets the same dtypes in both: timestamps as
    naive UTC, a null integer as NaN.
    """
    fields = [
        pa.field(field.name, pa.timestamp("us")) if pa.types.is_timestamp(field.type) else field
        for field in table.schema
    ]
    frame: pd.DataFrame = table.cast(pa.schema(fields)).to_pandas(coerce_temporal_nanoseconds=True)
    return frame


_SIMPLE = {"byte": "tinyint", "short": "smallint", "integer": "int", "long": "bigint"}


def simple_name(text: str) -> str:
    """Return Spark's simple name of a catalog type, `bigint` for `long`."""
    return _SIMPLE.get(text.lower(), text.lower())
