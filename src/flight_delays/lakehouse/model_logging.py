"""Logging of a training run to MLflow: its datasets, and the model with feature look-ups."""

import hashlib
import importlib.metadata
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any

import cloudpickle
import mlflow
import pandas as pd
from mlflow.data.delta_dataset_source import DeltaDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.types import ColSpec, DataType, Schema

from ..promotion.model_version import ModelVersion
from .errors import LakehouseError
from .registry import tag_version

if TYPE_CHECKING:
    from databricks.feature_engineering import FeatureEngineeringClient
    from databricks.feature_engineering.training_set import TrainingSet


def log_datasets(versions: Mapping[str, str]) -> None:
    """Log the training tables and their Delta versions to the active run."""
    for table, version in versions.items():
        number = int(version) if version.isdigit() else None
        source = DeltaDatasetSource(delta_table_name=table, delta_table_version=number)
        dataset = MetaDataset(source, name=table)  # type: ignore[abstract]
        mlflow.log_input(dataset, context="training")


def log_model(
    feature_store: "FeatureEngineeringClient",
    model: Any,
    training_set: "TrainingSet",
    pickle_by_value_modules: Iterable[ModuleType],
    requirements: Iterable[str],
) -> str:
    """Log a model with its feature look-ups to the active run, and return the logged model's URI.

    `predict` of the model returns one double a row. Classes of `pickle_by_value_modules` are
    pickled by value, as endpoints do not have the project's code; `requirements` are pinned to the
    versions installed here.
    """
    # MLflow warns about cloudpickle at every run.
    logging.getLogger("mlflow.sklearn").setLevel(logging.ERROR)
    pickle_by_value_modules = list(pickle_by_value_modules)
    for module in pickle_by_value_modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        info = feature_store.log_model(
            model=model,
            artifact_path="model",
            flavor=mlflow.sklearn,
            training_set=training_set,
            infer_input_example=True,
            output_schema=Schema([ColSpec(DataType.double)]),
            pip_requirements=[
                f"{name}=={importlib.metadata.version(name)}" for name in requirements
            ],
            serialization_format="cloudpickle",
        )
    finally:
        for module in pickle_by_value_modules:
            cloudpickle.unregister_pickle_by_value(module)
    return str(info.model_uri)


FILE = "holdout_predictions.parquet"
DIGEST_TAG = "holdout_predictions_sha256"


class PredictionsChangedError(LakehouseError):
    """The artifact differs from the one that validate recorded."""

    def __init__(self, version: ModelVersion, digest: str) -> None:
        super().__init__(
            f"The artifact {FILE} of version {version.version} of {version.model} has the digest "
            f"{digest}; validate recorded {version.tags[DIGEST_TAG]}. Run validate again."
        )


def write_predictions(
    registry: mlflow.MlflowClient, version: ModelVersion, rows: pd.DataFrame
) -> None:
    """Log rows with predictions to the version's run, and tag the version with their digest."""
    with TemporaryDirectory() as folder:
        file = Path(folder, FILE)
        rows.to_parquet(file, index=False)
        registry.log_artifact(version.run_id, str(file))
        tag_version(registry, version, **{DIGEST_TAG: compute_digest(file)})


def read_predictions(version: ModelVersion) -> pd.DataFrame | None:
    """Return the rows that validate logged; None if it logged none.

    Raises:
        PredictionsChangedError: The artifact differs from the one that validate recorded.
    """
    if DIGEST_TAG not in version.tags:
        return None
    with TemporaryDirectory() as folder:
        file = Path(
            mlflow.artifacts.download_artifacts(
                run_id=version.run_id, artifact_path=FILE, dst_path=folder
            )
        )
        digest = compute_digest(file)
        if digest != version.tags[DIGEST_TAG]:
            raise PredictionsChangedError(version, digest)
        return pd.read_parquet(file)


def compute_digest(file: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
