"""Scoring of one served model version: a request's rows in, predictions out."""

import math
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
from mlflow.pyfunc import PyFuncModel
from mlflow.utils.proto_json_utils import dataframe_from_parsed_json

from ..features.joins import augment
from ..features.models import FeatureModel, load_model
from ..features.online import OnlineStore
from ..features.spec import MODEL_DATA, SPEC_FILE, Lookup
from ..features.types import arrow_type
from .errors import ApiError

Rows = list[Mapping[str, Any]]

RECORDS, SPLIT = "dataframe_records", "dataframe_split"
# What the SDK may send along, and what changes no prediction.
_IGNORED = frozenset({"client_request_id", "usage_context"})


def bad(message: str) -> ApiError:
    """Return the error of a request that cannot be scored."""
    return ApiError(400, "BAD_REQUEST", message)


def rows_of(payload: Any) -> Rows:
    """Return the rows of a request's body.

    Raises:
        ApiError: 400, for anything but `dataframe_records` or `dataframe_split`.
    """
    given = set(payload) - _IGNORED if isinstance(payload, dict) else set()
    if given not in ({RECORDS}, {SPLIT}):
        got = ", ".join(sorted(given)) or type(payload).__name__
        raise bad(f"The laptop scores exactly one of {RECORDS} and {SPLIT}; got: {got}.")
    if RECORDS in given:
        rows = payload[RECORDS]
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise bad(f"{RECORDS} must be a list of objects, one for each row.")
    else:
        split = payload[SPLIT]
        columns, data = (
            (split.get("columns"), split.get("data")) if isinstance(split, dict) else (None, None)
        )
        if not isinstance(columns, list) or not isinstance(data, list):
            raise bad(f"{SPLIT} must be an object with the lists 'columns' and 'data'.")
        if not all(isinstance(row, list) and len(row) == len(columns) for row in data):
            raise bad(f"Each row of {SPLIT} must have {len(columns)} values, one a column.")
        rows = [dict(zip(columns, row, strict=True)) for row in data]
    if not rows:
        raise bad(f"{RECORDS if RECORDS in given else SPLIT} holds no rows.")
    return rows


class ServedModel:
    """A model version held in memory.

    Args:
        predict: Scores rows.
    """

    def __init__(self, predict: Callable[[Rows], Any]) -> None:
        self._predict = predict

    def predict(self, rows: Rows) -> list[Any]:
        """Return one prediction for each row, as JSON has it.

        Raises:
            ApiError: 400, for rows that do not fit the model, or that it fails on.
        """
        try:
            return as_json(self._predict(rows))
        except ApiError:
            raise
        except Exception as error:
            raise bad(
                f"The model failed on the request: {type(error).__name__}: {error}"
            ) from error


def load(name: str, version: str, store: OnlineStore) -> ServedModel:
    """Load a registered version into memory.

    Args:
        name: Registered model, `catalog.schema.model`.
        version: Its version's number.
        store: Where the model's features are looked up.

    Raises:
        FeatureError: A feature table is not published online.
        MlflowException: There is no such version, or its artifact cannot be read.
    """
    uri = f"models:/{name}/{version}"
    folder = Path(mlflow.artifacts.download_artifacts(uri))
    if (folder / MODEL_DATA / SPEC_FILE).is_file():
        return ServedModel(_with_features(load_model(folder), store))
    return ServedModel(_alone(mlflow.pyfunc.load_model(str(folder))))


def _with_features(model: FeatureModel, store: OnlineStore) -> Callable[[Rows], Any]:
    names = {lookup: [name for name, _ in lookup.features] for lookup in model.spec.lookups()}
    tables = {lookup: store.find(lookup.table_name, names[lookup]) for lookup in names}

    def find(lookup: Lookup, spine: pa.Table) -> pa.Table:
        columns = (spine.column(key).to_pylist() for key in lookup.lookup_key)
        keys = list(zip(*columns, strict=True))
        found = store.lookup(tables[lookup], keys, names[lookup])
        return found.rename_columns([output for _, output in lookup.features])

    def predict(rows: Rows) -> Any:
        return model.predict(augment(_spine(rows, model), model.spec, find))

    return predict


def _alone(model: PyFuncModel) -> Callable[[Rows], Any]:
    signature = model.metadata.signature
    schema = None if signature is None else signature.inputs

    def predict(rows: Rows) -> Any:
        frame = dataframe_from_parsed_json(rows, "records", schema)  # type: ignore[no-untyped-call]
        return model.predict(frame)

    return predict


def _spine(rows: Rows, model: FeatureModel) -> pa.Table:
    """Return the columns a caller must send, and the features it sends of its own accord."""
    required = [column.name for column in model.spec.sources]
    if missing := [name for name in required if any(name not in row for row in rows)]:
        raise bad(f"The request lacks {missing}. Required: {required}; got: {sorted(rows[0])}.")
    columns = {}
    for column in model.spec.columns:
        if column.name in rows[0]:
            values = [row.get(column.name) for row in rows]
            columns[column.name] = _column(column.name, column.data_type, values)
    return pa.table(columns)


def _column(name: str, kind: str, values: list[Any]) -> pa.Array:
    try:
        return pa.array([_cell(value, kind) for value in values], arrow_type(kind))
    except (ValueError, TypeError, OverflowError) as error:
        raise bad(f"Column {name} must be {kind}, got {values[:3]}: {error}.") from error


def _cell(value: Any, kind: str) -> Any:
    """Return a value of JSON as Arrow takes it, without what Arrow would convert in silence."""
    if value is None:
        return None
    if isinstance(value, bool) and kind != "boolean":
        raise ValueError("a boolean")
    if isinstance(value, float) and kind.endswith("int") and not value.is_integer():
        raise ValueError("no whole number")
    if kind == "date":
        return date.fromisoformat(value)
    # Arrow takes a time without offset for UTC.
    return datetime.fromisoformat(value) if kind == "timestamp" else value


def as_json(predictions: Any) -> list[Any]:
    """Return predictions as JSON has them, NaN as null."""
    if isinstance(predictions, pd.DataFrame):
        return [dict(zip(predictions, as_json(row), strict=True)) for row in predictions.values]
    values = np.asarray(predictions, dtype=object).tolist()
    return [as_json(value) if isinstance(value, list) else _null(value) for value in values]


def _null(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
