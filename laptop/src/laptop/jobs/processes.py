"""Start and stop task processes, forked from the fork server or spawned."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .task_environment import TaskEnvironment

RUNTIME_MODULES = (
    "databricks.feature_engineering",
    "databricks.sdk.runtime",
    "mlflow",
    "mlflow.pyfunc",
    "mlflow.sklearn",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.utils.requirements_utils",
    "mlflow.pyfunc.scoring_server",
    "pyspark.sql.connect.session",
    "pyspark.sql.connect.functions",
    "laptop.mlflow_stores",
)


class Process(Protocol):
    """A task's process."""

    def wait(self, timeout: float | None) -> int | None:
        """Return the exit status, or None after `timeout` seconds."""

    def kill(self) -> None:
        """Kill the process and everything it started."""


@dataclass
class Forked:
    """A task forked from the fork server; `pid` stays 0 if the fork was refused."""

    pid: int = 0
    status: int | None = None
    started: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def wait(self, timeout: float | None) -> int | None:
        """Return the exit status, or None after `timeout` seconds."""
        self.ended.wait(timeout)
        return self.status

    def kill(self) -> None:
        """Kill the process and everything it started."""
        if not self.ended.is_set():
            kill_group(self.pid)


class Spawned:
    """A task in a new Python process, which ends when the workspace closes its stdin."""

    def __init__(self, spec_file: Path, environment: dict[str, str]) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "laptop.jobs.task", str(spec_file)],
            env=environment,
            cwd=spec_file.parent,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def wait(self, timeout: float | None) -> int | None:
        """Return the exit status, or None after `timeout` seconds."""
        try:
            status = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        kill_group(self._popen.pid)
        if self._popen.stdin:
            self._popen.stdin.close()
        return status

    def kill(self) -> None:
        """Kill the process and everything it started."""
        if self._popen.poll() is None:
            kill_group(self._popen.pid)


class ForkServer:
    """Client of a workspace's fork server.

    Args:
        environment: Location of the workspace; the tasks inherit the server's environment.
        modules: Modules to import in advance.
    """

    def __init__(self, environment: TaskEnvironment, modules: Iterable[str]) -> None:
        self.modules = set(modules)
        self._channel, theirs = socket.socketpair()
        self._lock = threading.Lock()
        self._forks: dict[str, Forked] = {}
        folder = environment.state_dir / "fork_server"
        folder.mkdir(exist_ok=True)
        with (folder / "fork_server.log").open("w") as log:
            self._popen = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "laptop.jobs.fork_server",
                    str(theirs.fileno()),
                    *RUNTIME_MODULES,
                    *sorted(self.modules),
                ],
                pass_fds=[theirs.fileno()],
                env=environment.variables(),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        theirs.close()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def alive(self) -> bool:
        """Whether the server process is running."""
        return self._popen.poll() is None

    def fork(self, spec_file: Path) -> Forked | None:
        """Fork a task; return None if the server refused or has ended."""
        child = Forked()
        with self._lock:
            try:
                self._channel.sendall(f"{spec_file}\n".encode())
            except OSError:
                return None
            self._forks[str(spec_file)] = child
        child.started.wait()
        return child if child.pid else None

    def add(self, modules: Iterable[str]) -> None:
        """Import modules before the next task."""
        new = set(modules) - self.modules
        if new:
            self.modules |= new
            with self._lock, contextlib.suppress(OSError):
                self._channel.sendall(f"+{' '.join(sorted(new))}\n".encode())

    def close(self) -> None:
        """Stop the server and its tasks."""
        # Unlike close, shutdown wakes both the listener and the server, which then kills its
        # tasks and exits. A server without tasks may still be importing, and is killed.
        with self._lock:
            idle = not self._forks
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        try:
            self._popen.wait(0 if idle else 1)
        except subprocess.TimeoutExpired:
            self._popen.kill()
        self._listener.join()

    def _listen(self) -> None:
        buffer = b""
        while True:
            try:
                received = self._channel.recv(65536)
            except OSError:
                received = b""
            if not received:
                break
            *lines, buffer = (buffer + received).split(b"\n")
            for line in lines:
                self._handle_report(**json.loads(line))
        # The server has ended: its children can no longer be watched, so kill and fail them.
        with self._lock:
            for child in self._forks.values():
                if child.pid:
                    kill_group(child.pid)
                child.status = -signal.SIGKILL
                child.started.set()
                child.ended.set()
            self._forks.clear()
            self._channel.close()
        self._popen.wait()

    def _handle_report(
        self, task: str, pid: int = 0, refused: str = "", status: int | None = None
    ) -> None:
        with self._lock:
            child = self._forks[task]
            if status is None:
                child.pid = pid
                child.started.set()
            else:
                child.status = status
                child.ended.set()
            if refused or status is not None:
                del self._forks[task]
        if refused:
            print(f"Not forked, {refused}: {task}", file=sys.stderr, flush=True)


class Launcher:
    """Starts tasks from the fork server if it is available, else as new processes."""

    def __init__(self, environment: TaskEnvironment) -> None:
        self._environment = environment
        self._lock = threading.Lock()
        self._server: ForkServer | None = None
        self._can_fork = sys.platform == "linux" and not os.environ.get("LAPTOP_NO_FORK")

    def preload(self, modules: Iterable[str] = ()) -> None:
        """Start a fork server and import `modules` in it; return without waiting."""
        if not self._can_fork:
            return
        with self._lock:
            if self._server is None or not self._server.alive:
                self._server = ForkServer(self._environment, modules)
            self._server.add(modules)

    def start(self, spec_file: Path) -> Process:
        """Start the task described by a specification."""
        with self._lock:
            server = self._server
        forked = server.fork(spec_file) if server else None
        return forked or Spawned(spec_file, self._environment.variables())

    def close(self) -> None:
        """Stop the fork server."""
        with self._lock:
            if self._server:
                self._server.close()
                self._server = None


def kill_group(pid: int) -> None:
    """Kill a process group; do nothing if it has ended."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
