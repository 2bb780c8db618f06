"""Asking a registered model: with its features looked up, and in the form it is served in."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow.models import Model
from mlflow.pyfunc.scoring_server import infer_and_parse_data

if TYPE_CHECKING:
    from databricks.feature_engineering import FeatureEngineeringClient
    from pyspark.sql import DataFrame

RAW_MODEL = Path("data", "feature_store", "raw_model")


def score(
    feature_store: "FeatureEngineeringClient", model_uri: str, rows: "DataFrame"
) -> pd.DataFrame:
    """Return rows with the features that were known for each and a column `prediction`.

    The order of rows may be another.
    """
    scored: pd.DataFrame = feature_store.score_batch(
        model_uri=model_uri, df=rows, result_type="double"
    ).toPandas()
    return scored


def has_signature(model_uri: str) -> tuple[bool, bool]:
    """Tell whether a model's signature has inputs, and whether it has outputs."""
    signature = mlflow.models.get_model_info(model_uri).signature
    if signature is None:
        return False, False
    return bool(signature.inputs), bool(signature.outputs)


def read_inputs(model_uri: str) -> list[str]:
    """Return the columns that a row has to bring for a model; none where it does not say."""
    signature = mlflow.models.get_model_info(model_uri).signature
    if signature is None or not signature.inputs:
        return []
    return list(signature.inputs.required_input_names())


def predict_as_served(model_uri: str, features: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Predict as an endpoint would: features in a JSON request, to the model without look-ups.

    Args:
        model_uri: A model logged with feature look-ups.
        features: The model's own inputs and no other column.

    Returns:
        One prediction a row.
    """
    folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=model_uri)) / RAW_MODEL
    # Python writes doubles whole; one digit less could move a value over a tree's threshold.
    rows = features.astype(object).mask(features.isna(), None).to_numpy()
    split = {"columns": list(features.columns), "data": rows.tolist()}
    request = json.dumps({"dataframe_split": split})
    signature = Model.load(str(folder)).signature
    typed = {"schema": signature.inputs} if signature else {}
    data = infer_and_parse_data(json.loads(request), **typed)
    predictions = mlflow.pyfunc.load_model(str(folder)).predict(data)
    return np.asarray(predictions, dtype=float).reshape(-1)
