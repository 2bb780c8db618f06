"""Clients of the platform for one task; each is made when it is first used.

`databricks.sdk.runtime` copies `dbutils` and `spark` from the runtime's namespace. Where that
namespace cannot be built, as on some Spark Connect runtimes, it falls back to a `dbutils` of its
own, whose `taskValues.set` does nothing, and may have no `spark`, or raises. The runtime's objects
are then still in IPython's namespace, or made by `pyspark`.
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
    """The platform's clients, as the runtime of this task provides them.

    In a Databricks Runtime MLflow tracks to the workspace and registers in Unity Catalog; elsewhere
    the environment says where.

    Raises:
        RuntimeMissingError: No `dbutils` here passes task values on to other tasks.
    """

    def __init__(self) -> None:
        point_mlflow_to_workspace()
        # A bar of progress is many lines in a log.
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        self._dbutils = find_dbutils()

    def set_task_value(self, key: str, value: Any) -> None:
        """Leave a value for the tasks that follow."""
        self._dbutils.jobs.taskValues.set(key=key, value=value)

    @cached_property
    def spark(self) -> "SparkSession":
        """The task's Spark Connect session, in UTC: instants without a zone are read as such."""
        session = find_spark()
        session.conf.set("spark.sql.session.timeZone", "UTC")
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


SDK = "databricks.sdk"


def is_databricks_runtime() -> bool:
    """Return whether the process runs on a cluster or on serverless compute of Databricks."""
    return "DATABRICKS_RUNTIME_VERSION" in os.environ or (
        os.environ.get("IS_SERVERLESS", "").lower() == "true"
    )


def point_mlflow_to_workspace() -> None:
    """Track to the workspace and register in Unity Catalog, in a Databricks Runtime.

    PyPI's MLflow tracks to a local file where no variable says otherwise, and a cluster's Spark
    configuration may name the workspace's old registry. Elsewhere nothing is changed: there the
    environment names both.
    """
    if is_databricks_runtime():
        mlflow.set_tracking_uri("databricks")
        mlflow.set_registry_uri("databricks-uc")


def find_dbutils() -> Any:
    """Return the runtime's `dbutils`, whose task values reach the other tasks of the run.

    Raises:
        RuntimeMissingError: No place has one; the message says why, for each.
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
        RuntimeMissingError: No place has one; the message says why, for each.
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
    """Return an object from the first place that has it and whose object passes the check.

    Raises:
        RuntimeMissingError: No place has a usable one.
    """
    reasons: dict[str, str] = {}
    for place, read in places.items():
        try:
            found = read()
            if found is None:
                raise LookupError(f"has no {name}")
            if check:
                check(found)
        # A place fails in ways of its own; each reason is in the error if no other place helps.
        except Exception as error:
            reasons[place] = str(error) or type(error).__name__
            continue
        if reasons:
            print(f"{name} is that of {place}. {describe(reasons)}")
        return found
    raise RuntimeMissingError(name, describe(reasons))


def describe(reasons: Mapping[str, str]) -> str:
    """Return one line that says why each place was passed over."""
    return "; ".join(f"{place}: {' '.join(reason.split())}" for place, reason in reasons.items())


def check_task_values(dbutils: Any) -> None:
    """Refuse a `dbutils` whose task values are the SDK's.

    Raises:
        LookupError: They reach no other task.
    """
    origin = type(dbutils.jobs.taskValues).__module__
    if origin.split(".")[:2] == SDK.split("."):
        raise LookupError(f"its task values are those of {origin} and reach no other task")


def read_sdk(name: str) -> Any:
    """Return an object of `databricks.sdk.runtime`, None where it has none."""
    from databricks.sdk import runtime

    return getattr(runtime, name, None)


def read_ipython(name: str) -> Any:
    """Return an object of IPython's namespace, None where it has none."""
    from IPython import get_ipython

    return getattr(get_ipython(), "user_ns", {}).get(name)


def make_dbutils() -> Any:
    """Return the `dbutils` that Databricks' own pyspark makes for a session."""
    from pyspark.dbutils import DBUtils

    return DBUtils(find_spark())


def get_session() -> Any:
    """Return the active session; in a Databricks Runtime, the one that the builder returns."""
    from pyspark.sql import SparkSession

    active = SparkSession.getActiveSession()
    if active is None and is_databricks_runtime():
        return SparkSession.builder.getOrCreate()
    return active
