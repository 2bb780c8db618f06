"""MLflow's UI for the workspace's store."""

import os
import socket
import sqlite3
import sys

from .errors import LaptopError
from .state_dir import ARTIFACTS_URI, StateDir
from .telemetry import TELEMETRY_OFF

MOST_PORTS = 50
NEWEST = "SELECT experiment_id FROM runs ORDER BY start_time DESC LIMIT 1"
# Without this tag the UI guesses the type of experiments, and may open the page for agents.
KIND = """
INSERT OR IGNORE INTO experiment_tags (key, value, experiment_id)
SELECT 'mlflow.experimentKind', 'custom_model_development', experiment_id FROM experiments
"""


def find_port(wanted: int) -> int:
    """Return the first free port from `wanted` on."""
    for port in range(wanted, min(wanted + MOST_PORTS, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise LaptopError(f"None of {MOST_PORTS} ports from {wanted} on is free. Name one: --port N")


def prepare_pages(state_dir: StateDir) -> str:
    """Tag experiments as model development; return the UI path of the newest run's experiment."""
    database = sqlite3.connect(state_dir.mlflow_db, timeout=30)
    try:
        with database:
            database.execute(KIND)
        newest = database.execute(NEWEST).fetchone()
    finally:
        database.close()
    return f"#/experiments/{newest[0]}/runs" if newest else "#/experiments"


def replace_process(state_dir: StateDir, port: int) -> None:
    """Replace this process by MLflow's server."""
    arguments = [
        sys.executable,
        *("-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--uvicorn-opts", "--log-level=warning"),
        *("--backend-store-uri", f"sqlite:///{state_dir.mlflow_db}"),
        *("--default-artifact-root", ARTIFACTS_URI),
    ]
    # Job execution is not needed, and its workers would outlive the server.
    environment = {
        **os.environ,
        **TELEMETRY_OFF,
        "LAPTOP_HOME": str(state_dir.path),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "PYTHONWARNINGS": "ignore",
    }
    os.execve(sys.executable, arguments, environment)
