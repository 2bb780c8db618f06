"""Batch scoring: add features and predictions to a DataFrame of keys."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
from databricks.sdk import WorkspaceClient
from pyspark.sql import DataFrame

from .errors import FeatureError
from .frames import to_spark
from .functions import check_argument_types, describe_functions
from .joins import augment
from .models import load_model
from .tables import describe
from .training import OfflineFeatures, check_types

PREDICTION = "prediction"

_RESULTS = {
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "integer": pa.int32(),
    "long": pa.int64(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
}


def score_batch(
    df: DataFrame,
    model_uri: str,
    workspace: WorkspaceClient,
    result_type: str,
    params: Mapping[str, Any] | None,
) -> DataFrame:
    """Return the DataFrame with its missing features and a column `prediction`.

    The plain model predicts in this process, so the engine caches no model.

    Args:
        df: Rows with the keys and other source columns of the model.
        model_uri: `models:/name@alias`, `models:/name/version`, `models:/m-id` or `runs:/…`.
        workspace: Client for the catalog with the feature tables.
        result_type: Spark type of the prediction.
        params: Passed to the model's predict.

    Raises:
        FeatureError: Columns are missing, or a column `prediction` exists.
    """
    if df.isStreaming:
        raise NotImplementedError("score_batch takes no streaming DataFrame.")
    if PREDICTION in df.columns:
        raise FeatureError(f"The DataFrame has a column {PREDICTION} already. Drop or rename it.")
    model = load_model(Path(mlflow.artifacts.download_artifacts(model_uri)))
    needed = [column.name for column in model.spec.sources]
    if missing := [name for name in needed if name not in df.columns]:
        raise FeatureError(
            f"The DataFrame lacks {missing}, which the model at {model_uri} needs. "
            f"It needs: {needed}; got: {df.columns}."
        )
    names = {table.name for table in model.spec.tables}
    tables = {name: describe(workspace, name) for name in names}
    known = {column.name: column.data_type for column in model.spec.columns} | dict(df.dtypes)
    for lookup in model.spec.lookups():
        check_types(lookup.keys, tables[lookup.table_name], known)
    functions = describe_functions(workspace, {each.udf_name for each in model.spec.functions})
    for column in model.spec.functions:
        bindings = dict(column.input_bindings)
        check_argument_types(functions[column.udf_name], bindings, known)
    offline = OfflineFeatures(df.sparkSession, tables, functions)
    joined = augment(df.toArrow(), model.spec, offline.find)
    predictions = as_column(model.predict(joined, params), result_type)
    added = [name for name in model.spec.model_columns if name not in df.columns]
    result = joined.select([*df.columns, *added]).append_column(PREDICTION, predictions)
    return to_spark(df.sparkSession, result)


def as_column(predictions: Any, result_type: str) -> pa.Array:
    """Return a model's output as one column, the first if there are several."""
    if result_type not in _RESULTS:
        raise NotImplementedError(
            f"result_type {result_type!r} is not supported on the laptop. Allowed: "
            f"{', '.join(_RESULTS)}."
        )
    values = np.asarray(predictions)
    if values.ndim == 2:
        values = values[:, 0]
    return pa.Array.from_pandas(pd.Series(values)).cast(_RESULTS[result_type])
