"""Tests send nothing to MLflow's makers."""

import os

from mlflow.telemetry import get_telemetry_client


def test_telemetry_is_off_in_tests() -> None:
    # The client alone would also be missing on CI, where MLflow makes none.
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert get_telemetry_client() is None
