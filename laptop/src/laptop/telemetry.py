"""Switch off MLflow's telemetry: in the laptop's processes, and in tests as a pytest plugin.

MLflow reads the variable once, when it is imported.
"""

import os

TELEMETRY_OFF = {"MLFLOW_DISABLE_TELEMETRY": "true"}


def pytest_load_initial_conftests() -> None:
    """Set the variable before a conftest imports MLflow."""
    os.environ.update(TELEMETRY_OFF)
