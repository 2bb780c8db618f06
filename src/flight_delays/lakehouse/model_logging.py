"""What a training run leaves in MLflow: datasets and the model with its look-ups."""

import importlib.metadata
import logging
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

import cloudpickle
import mlflow
from mlflow.data.delta_dataset_source import DeltaDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.types import ColSpec, DataType, Schema

if TYPE_CHECKING:
    from databricks.feature_engineering import FeatureEngineeringClient
    from databricks.feature_engineering.training_set import TrainingSet


def log_datasets(versions: Mapping[str, str]) -> None:
    """Record in the active run which tables, at which Delta versions, it learned from."""
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
    """Log a model with its feature look-ups to the active run.

    Args:
        feature_store: The feature engineering client.
        model: An estimator whose `predict` returns one double a row.
        training_set: What it was trained on.
        pickle_by_value_modules: Modules whose classes are pickled by value: an endpoint does not
            have the project's code.
        requirements: Distributions that the model needs to be loaded and asked; they are asked
            for at the versions it was made with.

    Returns:
        The logged model's URI.
    """
    # Cloudpickle is chosen here; MLflow would warn of it at every run.
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
