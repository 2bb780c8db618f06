"""Databricks clients of one task, created lazily.

`databricks.sdk.runtime` copies `dbutils` and `spark` from the runtime's namespace. If that
namespace is not available, as on some Spark Connect runtimes, it falls back to the SDK's `dbutils`,
whose `taskValues.set` does nothing, and may have no `spark`, or raises. The runtime's objects are
then still in IPython's namespace, or can be created with `pyspark`.
"""

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import mlflow
from databricks.sdk import WorkspaceClient

from .errors import RuntimeMissingError

if TYPE_CHECKING:
    from databricks.feature_engineering import FeatureEngineeringClient
    from pyspark.sql import SparkSession


class Lakehouse:
    """Databricks clients of this task.

    In a Databricks Runtime, MLflow uses the workspace and Unity Catalog; elsewhere, the environment
    variables MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI apply.

    Raises:
        RuntimeMissingError: No `dbutils` was found that can set task values.
    """

    def __init__(self) -> None:
        point_mlflow_to_workspace()
        # In a log, a progress bar is many lines.
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        self._dbutils = find_dbutils()

    def set_task_value(self, key: str, value: Any) -> None:
        """Set a task value for downstream tasks."""
        self._dbutils.jobs.taskValues.set(key=key, value=value)

    @cached_property
    def spark(self) -> "SparkSession":
        """Spark session in UTC, so that timestamps without a time zone are read as UTC."""
        session = find_spark()
        session.conf.set("spark.sql.session.timeZone", "UTC")
        return session

    @cached_property
    def feature_store(self) -> "FeatureEngineeringClient":
        """Client of feature tables, training sets and models with feature look-ups."""
        from databricks.feature_engineering import FeatureEngineeringClient

        return FeatureEngineeringClient()

    @cached_property
    def registry(self) -> mlflow.MlflowClient:
        """Client of registered models and runs."""
        return mlflow.MlflowClient()

    @cached_property
    def workspace(self) -> WorkspaceClient:
        """Client of the workspace's REST API."""
        return WorkspaceClient()


SDK = "databricks.sdk"


def is_databricks_runtime() -> bool:
    """Return whether the process runs on a Databricks cluster or serverless compute."""
    return "DATABRICKS_RUNTIME_VERSION" in os.environ or (
        os.environ.get("IS_SERVERLESS", "").lower() == "true"
    )


def point_mlflow_to_workspace() -> None:
    """Set MLflow's tracking URI to the workspace and its registry URI to Unity Catalog.

    PyPI's MLflow defaults to a local file, and a cluster's Spark configuration may name the
    workspace registry. Outside a Databricks Runtime nothing changes.
    """
    if is_databricks_runtime():
        mlflow.set_tracking_uri("databricks")
        mlflow.set_registry_uri("databricks-uc")


def find_dbutils() -> Any:
    """Return the runtime's `dbutils`, which can set task values.

    Raises:
        RuntimeMissingError: None was found; the message has the reason for each place.
    """
    return first_usable(
        "dbutils",
        {
            "databricks.sdk.runtime": lambda: read_sdk("dbutils"),
            "IPython": lambda: read_ipython("dbutils"),
            "pyspark.dbutils": make_dbutils,
        },
        check_task_values,
    )


def find_spark() -> "SparkSession":
    """Return the task's Spark session.

    Raises:
        RuntimeMissingError: None was found; the message has the reason for each place.
    """
    session: SparkSession = first_usable(
        "spark",
        {
            "databricks.sdk.runtime": lambda: read_sdk("spark"),
            "IPython": lambda: read_ipython("spark"),
            "pyspark.sql": get_session,
        },
    )
    return session


def first_usable(
    name: str, places: Mapping[str, Callable[[], Any]], check: Callable[[Any], None] | None = None
) -> Any:
    """Return the first object that is found and passes the check.

    Raises:
        RuntimeMissingError: No place has a usable object.
    """
    reasons: dict[str, str] = {}
    for place, read in places.items():
        try:
            found = read()
            if found is None:
                raise LookupError(f"has no {name}")
            if check:
                check(found)
        # Each place raises other exceptions; all reasons are in the error if none has the object.
        except Exception as error:
            reasons[place] = str(error) or type(error).__name__
            continue
        if reasons:
            print(f"{name} is that of {place}. {describe(reasons)}")
        return found
    raise RuntimeMissingError(name, describe(reasons))


def describe(reasons: Mapping[str, str]) -> str:
    """Return the reason for each place on one line."""
    return "; ".join(f"{place}: {' '.join(reason.split())}" for place, reason in reasons.items())


def check_task_values(dbutils: Any) -> None:
    """Check that `dbutils` is not the SDK's, whose task values reach no other task.

    Raises:
        LookupError: It is the SDK's.
    """
    origin = type(dbutils.jobs.taskValues).__module__
    if origin.split(".")[:2] == SDK.split("."):
        raise LookupError(f"its task values are those of {origin} and reach no other task")


def read_sdk(name: str) -> Any:
    """Return an object of `databricks.sdk.runtime`, or None."""
    from databricks.sdk import runtime

    return getattr(runtime, name, None)


def read_ipython(name: str) -> Any:
    """Return an object of IPython's namespace, or None."""
    from IPython import get_ipython

    return getattr(get_ipython(), "user_ns", {}).get(name)


def make_dbutils() -> Any:
    """Return the `dbutils` of Databricks' pyspark."""
    from pyspark.dbutils import DBUtils

    return DBUtils(find_spark())


def get_session() -> Any:
    """Return the active session; in a Databricks Runtime, create one if there is none."""
    from pyspark.sql import SparkSession

    active = SparkSession.getActiveSession()
    if active is None and is_databricks_runtime():
        return SparkSession.builder.getOrCreate()
    return active
