"""What a task reaches the platform through; each client is made when it is first asked for."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import mlflow
from databricks.sdk import WorkspaceClient

from .errors import RuntimeMissingError

if TYPE_CHECKING:
    from databricks.feature_engineering import FeatureEngineeringClient
    from pyspark.sql import SparkSession


class Lakehouse:
    """The platform's clients, as the runtime of this task provides them.

    Raises:
        RuntimeMissingError: `dbutils` is no runtime's: task values would be lost in silence.
    """

    def __init__(self) -> None:
        from databricks.sdk.runtime import dbutils

        origin = type(dbutils).__module__
        if dbutils is None or origin.startswith("databricks.sdk"):
            raise RuntimeMissingError("none" if dbutils is None else f"the SDK's own ({origin})")
        self._dbutils = dbutils

    def set_task_value(self, key: str, value: Any) -> None:
        """Leave a value for the tasks that follow."""
        self._dbutils.jobs.taskValues.set(key=key, value=value)

    @cached_property
    def spark(self) -> "SparkSession":
        """The task's Spark Connect session."""
        from databricks.sdk.runtime import spark

        session: SparkSession = spark
        return session

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
