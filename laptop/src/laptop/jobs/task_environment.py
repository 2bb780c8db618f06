"""The environment variables that connect a task to its workspace."""

import os
from dataclasses import dataclass
from pathlib import Path

from ..telemetry import TELEMETRY_OFF

RUNTIME = Path(__file__).parent.parent / "runtime"
# Variables of the shell that would connect a task to another runtime.
FOREIGN = ("DATABRICKS_", "IS_SERVERLESS", "SAIL_", "SPARK_")
TASK_HOME = "LAPTOP_HOME"
TASK_SPARK = "LAPTOP_SPARK"
TASK_VALUES = "LAPTOP_TASK_VALUES"


@dataclass(frozen=True)
class TaskEnvironment:
    """Location of a workspace.

    Attributes:
        state_dir: The state folder.
        address: URL of the REST API, `http://127.0.0.1:<port>`.
        token: Bearer token of the REST API.
        spark: URL of the engine, `sc://127.0.0.1:<port>`.
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
            # Keep a project's lock file out of the model's requirements.
            "MLFLOW_UV_AUTO_DETECT": "false",
            "MLFLOW_LOGGING_LEVEL": "WARNING",
            **TELEMETRY_OFF,
        }

    def variables(self) -> dict[str, str]:
        """Return a task's full environment, with the runtime first on Python's path."""
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)},
            **self.mlflow_variables(),
            "DATABRICKS_HOST": self.address,
            "DATABRICKS_TOKEN": self.token,
            "DATABRICKS_CONFIG_FILE": os.devnull,
            TASK_HOME: str(self.state_dir),
            TASK_SPARK: self.spark,
            # Read by `SparkSession.builder.getOrCreate()`.
            "SPARK_REMOTE": self.spark,
            # Further threads would make a fork server unsafe to fork.
            "OPENBLAS_NUM_THREADS": "1",
            # OpenMP threads spin while waiting, which blocks the cores for other processes;
            # without spinning they are slow to wake. A short spin avoids both.
            "GOMP_SPINCOUNT": "1000",
            "PYTHONPATH": str(RUNTIME),
            "PYTHONUNBUFFERED": "1",
            "TZ": "UTC",
        }
