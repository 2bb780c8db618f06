"""Reaching the workspace of a state folder: is it up, start it, ask it, stop it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .errors import LaptopError, WorkspaceFailed, WorkspaceNotRunning
from .home import Home

START_SECONDS = 60.0
STOP_SECONDS = 10.0


class RequestRefused(LaptopError):
    """The workspace answered an error.

    Attributes:
        status: HTTP status.
        code: Databricks' `error_code`.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Connection:
    """A workspace that is up.

    Attributes:
        pid: Its process.
        port: Of the REST API.
        token: The API's bearer token.
        spark: Address of the engine, `sc://…`.
    """

    pid: int
    port: int
    token: str
    spark: str

    @property
    def address(self) -> str:
        """The REST API's address."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: Any = None, timeout: float = 60) -> Any:
        """Send one request and return the answer's JSON.

        Raises:
            RequestRefused: The workspace answered an error.
            WorkspaceNotRunning: Nobody answered.
        """
        request = urllib.request.Request(
            f"{self.address}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            try:
                facts = json.loads(text)
            except ValueError:
                facts = {}
            code = facts.get("error_code", str(error.code))
            raise RequestRefused(error.code, code, facts.get("message", text)) from None
        except OSError as error:
            raise WorkspaceNotRunning(f"The workspace does not answer: {error}.") from None


def find(home: Home) -> Connection | None:
    """Return the workspace that is up for this state folder, or None."""
    try:
        connection = Connection(**json.loads(home.connection_file.read_text()))
        connection.ask("GET", "/api/2.0/preview/scim/v2/Me", timeout=5)
    except (FileNotFoundError, ValueError, TypeError, WorkspaceNotRunning, RequestRefused):
        return None
    return connection


def open_workspace(home: Home, catalogs: Sequence[str]) -> Connection:
    """Return the workspace of this state folder, starting it in the background if need be.

    Args:
        home: The state folder.
        catalogs: Catalogs that must exist.

    Raises:
        WorkspaceFailed: It did not start; the message ends with what it printed.
    """
    connection = find(home)
    if connection is None:
        return start(home, catalogs)
    there = {c["name"] for c in connection.ask("GET", CATALOGS)["catalogs"]}
    if set(catalogs) <= there:
        return connection
    stop(home)
    return start(home, sorted({*there, *catalogs}))


CATALOGS = "/api/2.1/unity-catalog/catalogs"


def start(home: Home, catalogs: Sequence[str]) -> Connection:
    """Start the workspace process and wait until it answers."""
    home.create()
    named = [f"--catalog={name}" for name in catalogs]
    with home.log_file.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "laptop.workspace.server", str(home.path), *named],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        connection = find(home)
        if connection:
            return connection
        if process.poll() is not None:
            # Another call may have won the race for the lock.
            time.sleep(0.5)
            connection = find(home)
            if connection:
                return connection
            break
        time.sleep(0.05)
    else:
        process.kill()
    tail = "\n".join(home.log_file.read_text().splitlines()[-15:])
    raise WorkspaceFailed(f"The workspace did not start. Its log, {home.log_file}, ends:\n{tail}")


def stop(home: Home) -> bool:
    """End the workspace; return whether there was one."""
    connection = find(home)
    if connection is None:
        return False
    os.kill(connection.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        if not is_running(connection.pid):
            return True
        time.sleep(0.05)
    os.kill(connection.pid, signal.SIGKILL)
    home.connection_file.unlink(missing_ok=True)
    return True


def is_running(pid: int) -> bool:
    """Tell whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A child of this very process stays as a zombie until it is waited for.
    try:
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return True
