"""Clients of the platform for one task; each is made when it is first used."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import mlflow
from databricks.sdk import WorkspaceClient

from .runtime import find_dbutils, find_spark, point_mlflow_to_workspace

if TYPE_CHECKING:
    from databricks.feature_engineering import FeatureEngineeringClient
    from pyspark.sql import SparkSession


class Lakehouse:
    """The platform's clients, as the runtime of this task provides them.

    In a Databricks Runtime MLflow tracks to the workspace and registers in Unity Catalog; elsewhere
    the environment says where.

    Raises:
        RuntimeMissingError: No `dbutils` here passes task values on to other tasks.
    """

    def __init__(self) -> None:
        point_mlflow_to_workspace()
        self._dbutils = find_dbutils()

    def set_task_value(self, key: str, value: Any) -> None:
        """Leave a value for the tasks that follow."""
        self._dbutils.jobs.taskValues.set(key=key, value=value)

    @cached_property
    def spark(self) -> "SparkSession":
        """The task's Spark Connect session."""
        return find_spark()

    @cached_property
    def feature_store(self) -> "FeatureEngineeringClient":
        """Feature tables, training sets, models with look-ups."""
        from databricks.feature_engineering import FeatureEngineeringClient

        return FeatureEngineeringClient()

    @cached_property
    def registry(self) -> mlflow.MlflowClient:
        """Registered models and runs."""
        return mlflow.MlflowClient()

    @cached_property
    def workspace(self) -> WorkspaceClient:
        """The workspace's REST API."""
        return WorkspaceClient()
