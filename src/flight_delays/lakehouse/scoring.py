"""Scoring with feature look-ups, and a model's signature."""

from typing import TYPE_CHECKING

import mlflow
import pandas as pd

if TYPE_CHECKING:
    from databricks.feature_engineering import FeatureEngineeringClient
    from pyspark.sql import DataFrame


def score(
    feature_store: "FeatureEngineeringClient", model_uri: str, rows: "DataFrame"
) -> pd.DataFrame:
    """Return rows with their point-in-time features and a column `prediction`, in any order."""
    scored: pd.DataFrame = feature_store.score_batch(
        model_uri=model_uri, df=rows, result_type="double"
    ).toPandas()
    return scored


def read_signature(model_uri: str) -> tuple[bool, list[str]]:
    """Return whether a model's signature has inputs, and the types of its outputs."""
    signature = mlflow.models.get_model_info(model_uri).signature
    if signature is None:
        return False, []
    outputs = signature.outputs.to_dict() if signature.outputs else []
    return bool(signature.inputs), [str(output["type"]) for output in outputs]


def read_inputs(model_uri: str) -> list[str]:
    """Return the input columns of a model's signature; empty without a signature."""
    signature = mlflow.models.get_model_info(model_uri).signature
    if signature is None or not signature.inputs:
        return []
    return list(signature.inputs.required_input_names())
