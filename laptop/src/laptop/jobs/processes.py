"""Starting and stopping task processes: forked from the fork server, or one each."""

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
    """A task on its way."""

    def wait(self, timeout: float | None) -> int | None:
        """Return the exit status, or None when `timeout` seconds have passed."""

    def kill(self) -> None:
        """End it and all that it started."""


@dataclass
class Forked:
    """A task forked from the fork server; `pid` stays 0 where that was refused."""

    pid: int = 0
    status: int | None = None
    started: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def wait(self, timeout: float | None) -> int | None:
        """Return the exit status, or None when `timeout` seconds have passed."""
        self.ended.wait(timeout)
        return self.status

    def kill(self) -> None:
        """End it and all that it started."""
        if not self.ended.is_set():
            kill_group(self.pid)


class Spawned:
    """A task in a Python process of its own, which ends with the workspace that holds its stdin."""

    def __init__(self, spec_file: Path, environment: dict[str, str]) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "laptop.jobs.task", str(spec_file)],
            env=environment,
            cwd=spec_file.parent,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def wait(self, timeout: float | None) -> int | None:
        """Return the exit status, or None when `timeout` seconds have passed."""
        try:
            status = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        kill_group(self._popen.pid)
        if self._popen.stdin:
            self._popen.stdin.close()
        return status

    def kill(self) -> None:
        """End it and all that it started."""
        if self._popen.poll() is None:
            kill_group(self._popen.pid)


class ForkServer:
    """The fork server of a workspace, as seen from the workspace.

    Args:
        environment: Where the workspace is; its tasks' environment is the server's.
        modules: What to import ahead.
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
        """Whether the process still runs."""
        return self._popen.poll() is None

    def fork(self, spec_file: Path) -> Forked | None:
        """Fork a task; None where the server refused or is gone."""
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
        """Have modules imported before the next task."""
        new = set(modules) - self.modules
        if new:
            self.modules |= new
            with self._lock, contextlib.suppress(OSError):
                self._channel.sendall(f"+{' '.join(sorted(new))}\n".encode())

    def close(self) -> None:
        """End the server and its tasks."""
        # Shutting down, unlike closing, wakes both who listens here and the server, which
        # ends its tasks and leaves; one without tasks may still be at its imports, and is killed.
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
                self._hear(**json.loads(line))
        # Gone: nobody can tell how its children do, so they are ended and counted as failed.
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

    def _hear(self, task: str, pid: int = 0, refused: str = "", status: int | None = None) -> None:
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
    """Starts tasks the quick way where it is safe, the plain way elsewhere."""

    def __init__(self, environment: TaskEnvironment) -> None:
        self._environment = environment
        self._lock = threading.Lock()
        self._server: ForkServer | None = None
        self._can_fork = sys.platform == "linux" and not os.environ.get("LAPTOP_NO_FORK")

    def preload(self, modules: Iterable[str] = ()) -> None:
        """Have a fork server with `modules`; returns at once, the imports go on beside."""
        if not self._can_fork:
            return
        with self._lock:
            if self._server is None or not self._server.alive:
                self._server = ForkServer(self._environment, modules)
            self._server.add(modules)

    def start(self, spec_file: Path) -> Process:
        """Start the task that a specification describes."""
        with self._lock:
            server = self._server
        forked = server.fork(spec_file) if server else None
        return forked or Spawned(spec_file, self._environment.variables())

    def close(self) -> None:
        """End the fork server."""
        with self._lock:
            if self._server:
                self._server.close()
                self._server = None


def kill_group(pid: int) -> None:
    """End a process group that may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
