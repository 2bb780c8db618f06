"""The environment variables by which a task finds its workspace."""

import os
from dataclasses import dataclass
from pathlib import Path

from ..telemetry import TELEMETRY_OFF

RUNTIME = Path(__file__).parent.parent / "runtime"
# Variables of the shell by which a task would reach, or take itself for, another runtime.
FOREIGN = ("DATABRICKS_", "IS_SERVERLESS", "SAIL_", "SPARK_")
TASK_HOME = "LAPTOP_HOME"
TASK_SPARK = "LAPTOP_SPARK"
TASK_VALUES = "LAPTOP_TASK_VALUES"


@dataclass(frozen=True)
class TaskEnvironment:
    """Where a workspace is.

    Attributes:
        state_dir: The state folder.
        address: The REST API, `http://127.0.0.1:<port>`.
        token: Its bearer token.
        spark: The engine, `sc://127.0.0.1:<port>`.
    """

    state_dir: Path
    address: str
    token: str
    spark: str

    def mlflow_variables(self) -> dict[str, str]:
        """Return the variables that point MLflow to the workspace's stores."""
        uri = f"laptop://{self.state_dir.as_uri().removeprefix('file://')}"
        return {
            "MLFLOW_TRACKING_URI": uri,
            "MLFLOW_REGISTRY_URI": uri,
            # A project's own lock file must not be mixed into a model's requirements.
            "MLFLOW_UV_AUTO_DETECT": "false",
            "MLFLOW_LOGGING_LEVEL": "WARNING",
            **TELEMETRY_OFF,
        }

    def variables(self) -> dict[str, str]:
        """Return a task's whole environment, with the runtime first on Python's path."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)},
            **self.mlflow_variables(),
            "DATABRICKS_HOST": self.address,
            "DATABRICKS_TOKEN": self.token,
            "DATABRICKS_CONFIG_FILE": os.devnull,
            TASK_HOME: str(self.state_dir),
            TASK_SPARK: self.spark,
            # Where `SparkSession.builder.getOrCreate()` looks.
            "SPARK_REMOTE": self.spark,
            # More threads than one would make a fork server unsafe to fork.
            "OPENBLAS_NUM_THREADS": "1",
            # OpenMP's threads spin while they wait, and starve whoever shares the cores; put to
            # sleep at once they are slow to wake. A short spin avoids both.
            "GOMP_SPINCOUNT": "1000",
            "PYTHONPATH": str(RUNTIME),
            "PYTHONUNBUFFERED": "1",
            "TZ": "UTC",
        }
