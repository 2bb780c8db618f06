"""Connection to the workspace of a state folder: find, start, request, stop."""

import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from http.client import HTTPException
from typing import Any

from . import clock
from .errors import LaptopError, WorkspaceFailed, WorkspaceNotRunning
from .identity import USER_NAME
from .state_dir import StateDir

START_SECONDS = 180.0
STOP_SECONDS = 30.0
ANSWER_SECONDS = 30.0

# Local requests must bypass the proxy.
LOOPBACK = "127.0.0.1,localhost"
PROXY_EXCEPTIONS = ("NO_PROXY", "no_proxy")
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class RequestRefused(LaptopError):
    """The workspace returned an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Connection:
    """A running workspace.

    Attributes:
        pid: Process id.
        port: Port of the REST API.
        token: Bearer token of the API.
        spark: URL of the engine, `sc://…`.
        clock: Start time of its clock; empty for real time.
    """

    pid: int
    port: int
    token: str
    spark: str
    clock: str = ""

    @property
    def address(self) -> str:
        """The REST API's URL."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: Any = None, timeout: float = 60) -> Any:
        """Send a request and return the parsed JSON response.

        Raises:
            RequestRefused: The workspace returned an error.
            WorkspaceNotRunning: There was no response.
        """
        request = urllib.request.Request(
            f"{self.address}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with DIRECT.open(request, timeout=timeout) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            try:
                facts = dict(json.loads(text))
            except (TypeError, ValueError):
                facts = {}
            code = facts.get("error_code", str(error.code))
            raise RequestRefused(error.code, code, facts.get("message", text)) from None
        except (OSError, HTTPException, ValueError) as error:
            raise WorkspaceNotRunning(f"The workspace does not answer: {error}.") from None


def announce(state_dir: StateDir, connection: Connection) -> None:
    """Write the connection file atomically, readable by its owner only."""
    draft = state_dir.connection_file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"state_dir": str(state_dir.path.resolve()), **asdict(connection)}, file)
    draft.replace(state_dir.connection_file)


def find(state_dir: StateDir) -> Connection | None:
    """Return the running workspace of this state folder, or None.

    Ignores connection files of killed workspaces, even if another process uses the port, and those
    of the folder from which this one was copied.
    """
    try:
        facts = json.loads(state_dir.connection_file.read_text())
        if facts.pop("state_dir") != str(state_dir.path.resolve()):
            return None
        connection = Connection(**facts)
        user = connection.ask("GET", "/api/2.0/preview/scim/v2/Me", timeout=ANSWER_SECONDS)
        return connection if user["userName"] == USER_NAME else None
    except (OSError, TypeError, ValueError, LookupError, LaptopError):
        return None


def open_workspace(state_dir: StateDir, catalogs: Sequence[str]) -> Connection:
    """Return the workspace of this state folder; start it in the background if necessary.

    Args:
        state_dir: The state folder.
        catalogs: Catalogs that must exist.

    Raises:
        WorkspaceFailed: It did not start; the message ends with its output.
        LaptopError: It must be restarted, for a new catalog or another time, but a run is
            active.
    """
    time_set = clock.read_setting()
    connection = find(state_dir)
    if connection is None:
        return start(state_dir, catalogs)
    there = connection.ask("GET", "/api/2.1/unity-catalog/catalogs")["catalogs"]
    new = sorted(set(catalogs) - {catalog["name"] for catalog in there})
    reasons = [f"to have the catalog {', '.join(new)}"] if new else []
    if time_set and time_set != connection.clock:
        reasons.append(f"to set its clock to {time_set}")
    if not reasons:
        return connection
    if connection.ask("GET", "/api/2.2/jobs/runs/list?active_only=true")["runs"]:
        raise LaptopError(
            f"The workspace must start again {' and '.join(reasons)}, and a run is under way. "
            "Wait for its end: laptop status"
        )
    stop(state_dir)
    return start(state_dir, new)


def start(state_dir: StateDir, catalogs: Sequence[str]) -> Connection:
    """Start the workspace process and wait until it answers, or one started concurrently."""
    state_dir.create()
    command = [sys.executable, "-m", "laptop.workspace.server", str(state_dir.path)]
    writing = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        sys.executable,
        [*command, *(f"--catalog={name}" for name in catalogs)],
        {**os.environ, **{k: f"{LOOPBACK},{os.environ.get(k, '')}" for k in PROXY_EXCEPTIONS}},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(state_dir.log_file), writing, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    deadline = time.monotonic() + START_SECONDS
    while is_running(pid) and time.monotonic() < deadline:
        connection = find(state_dir)
        if connection:
            if connection.pid != pid:
                end(pid, signal.SIGKILL)
            return connection
        time.sleep(0.05)
    end(pid, signal.SIGKILL)
    tail = "\n".join(state_dir.log_file.read_text().splitlines()[-15:])
    raise WorkspaceFailed(
        f"The workspace did not start. Its log, {state_dir.log_file}, ends:\n{tail}"
    )


def stop(state_dir: StateDir) -> bool:
    """Stop the workspace; return whether it was running."""
    connection = find(state_dir)
    if connection is None:
        return False
    if not end(connection.pid, signal.SIGTERM):
        end(connection.pid, signal.SIGKILL)
    return True


def end(pid: int, number: signal.Signals) -> bool:
    """Send a signal to a process; return whether it ended within some seconds."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
    deadline = time.monotonic() + STOP_SECONDS
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_running(pid)


def is_running(pid: int) -> bool:
    """Return whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A child of this process remains a zombie until it is waited for.
    try:
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return True
