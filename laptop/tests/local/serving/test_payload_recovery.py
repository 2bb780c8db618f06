"""Payloads of a workspace that is stopped or killed before they are in their table."""

import os
import shutil
import signal

import pytest
from databricks.sdk import WorkspaceClient
from laptop import connection

from ...conftest import Toy, alive, until
from .conftest import ROW
from .logged import Logged, prepare


@pytest.fixture
def logged(lonely: Toy, monkeypatch: pytest.MonkeyPatch) -> Logged:
    # No task runs here.
    monkeypatch.setenv("LAPTOP_NO_FORK", "1")
    return prepare(lonely)


def ask(logged: Logged, endpoint: str, *identifiers: str) -> None:
    client: WorkspaceClient = logged.client
    for identifier in identifiers:
        client.serving_endpoints.query(
            endpoint, dataframe_records=[ROW], client_request_id=identifier
        )


def kill(logged: Logged) -> None:
    pid = logged.toy.open().pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))


def identifiers(logged: Logged, name: str) -> list[str]:
    return [row["client_request_id"] for row in logged.rows(name)]


@pytest.mark.nightly
def test_payloads_outlive_stops_kills_and_their_delay_and_are_written_once(
    logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    state_dir = logged.toy.state_dir
    waiting = state_dir.path / "payloads"
    name = logged.create("late")
    ask(logged, "late", "stopped")
    connection.stop(state_dir)
    # What is due is written before a workspace leaves.
    assert list(waiting.iterdir()) == []

    monkeypatch.setenv("LAPTOP_PAYLOAD_DELAY", "3600")
    ask(logged, "late", "held back")
    connection.stop(state_dir)
    ask(logged, "late", "killed")
    kill(logged)
    assert identifiers(logged, name) == ["stopped"]
    connection.stop(state_dir)
    left = state_dir.path / "left"
    shutil.copytree(waiting, left)

    monkeypatch.setenv("LAPTOP_PAYLOAD_DELAY", "0")
    logged.wait(name, 3)
    connection.stop(state_dir)
    # As if it had been killed after it wrote the rows, and before it took note of that.
    shutil.copytree(left, waiting, dirs_exist_ok=True)
    logged.toy.open()
    until(lambda: list(waiting.iterdir()) == [])
    assert identifiers(logged, name) == ["stopped", "held back", "killed"]
