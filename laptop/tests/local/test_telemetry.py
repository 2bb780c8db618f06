"""MLflow's telemetry is off, whatever the environment of the workspace and of a command says."""

import json
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from laptop.connection import Connection

from ..conftest import Jobs, Toy, execute, results, until

# The client alone would also be missing on CI, where MLflow makes none.
IS_OFF = (
    "from mlflow.environment_variables import MLFLOW_DISABLE_TELEMETRY\n"
    "from mlflow.telemetry import get_telemetry_client\n"
    "assert MLFLOW_DISABLE_TELEMETRY.get()\n"
    "assert get_telemetry_client() is None"
)
ON = {"MLFLOW_DISABLE_TELEMETRY": "false"}


def read_environment(pid: int) -> dict[str, str]:
    words = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(word.split("=", 1) for word in words if "=" in word)


def test_telemetry_is_off_in_a_task(there: Connection, jobs: Jobs) -> None:
    # The fixture starts the workspace with telemetry on.
    assert read_environment(there.pid).items() >= ON.items()
    assert results(jobs.run(execute("a", IS_OFF))) == {"a": "SUCCESS"}


@pytest.mark.usefixtures("there")
def test_telemetry_is_off_in_exec(toy: Toy) -> None:
    done = toy.start("exec", "--", sys.executable, "-c", IS_OFF, **ON)
    _, err = done.communicate(timeout=300)
    assert done.returncode == 0, err


@pytest.mark.nightly
def test_telemetry_is_off_in_the_ui(toy: Toy, jobs: Jobs, free_port: int) -> None:
    jobs.run(execute("a", "pass"))
    process = toy.start("ui", "--port", str(free_port), **ON)
    address = f"http://127.0.0.1:{free_port}/ajax-api/3.0/mlflow/ui-telemetry"
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, data=b'{"records": []}', headers=headers)

    def send() -> str:
        with suppress(OSError), urllib.request.urlopen(request, timeout=30) as answer:
            return str(json.loads(answer.read())["status"])
        return ""

    try:
        assert until(send) == "disabled"
    finally:
        process.terminate()
        process.communicate(timeout=120)
