"""Starting and stopping task processes: forked from the warm process, or one each."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .surroundings import Surroundings

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
    "laptop.store",
)


class Process(Protocol):
    """A task on its way."""

    def wait(self, timeout: float | None) -> int | None:
        """Return the exit status, or None when `timeout` seconds have passed."""

    def kill(self) -> None:
        """End it and all that it started."""


@dataclass
class Forked:
    """A task forked from the warm process."""

    pid: int = 0
    status: int | None = None
    started: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    refusal: str | None = None

    def wait(self, timeout: float | None) -> int | None:
        """Return the exit status, or None when `timeout` seconds have passed."""
        self.ended.wait(timeout)
        return self.status

    def kill(self) -> None:
        """End it and all that it started."""
        if self.pid and not self.ended.is_set():
            kill_group(self.pid)


class Spawned:
    """A task in a Python process of its own."""

    def __init__(self, spec_file: Path, environment: dict[str, str]) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "laptop.jobs.task", str(spec_file)],
            env=environment,
            cwd=spec_file.parent,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait(self, timeout: float | None) -> int | None:
        """Return the exit status, or None when `timeout` seconds have passed."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it and all that it started."""
        kill_group(self._popen.pid)


class Warm:
    """The warm process of a workspace, as seen from the workspace.

    Args:
        surroundings: Where the workspace is; its tasks' environment is the warm process's.
        modules: What to import ahead.
    """

    def __init__(self, surroundings: Surroundings, modules: Sequence[str]) -> None:
        self.modules = tuple(modules)
        self._channel, theirs = socket.socketpair()
        self._lock = threading.Lock()
        self._forks: dict[str, Forked] = {}
        folder = surroundings.home / "warm"
        folder.mkdir(exist_ok=True)
        with (folder / "warm.log").open("w") as log:
            self._popen = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "laptop.jobs.warm",
                    str(theirs.fileno()),
                    *RUNTIME_MODULES,
                    *self.modules,
                ],
                pass_fds=[theirs.fileno()],
                env=surroundings.task_environment(),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        theirs.close()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def busy(self) -> bool:
        """Whether a task of it still runs."""
        with self._lock:
            return bool(self._forks)

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._popen.poll() is None

    def fork(self, spec_file: Path) -> Forked | None:
        """Fork a task; None where the warm process refused or is gone."""
        child = Forked()
        with self._lock:
            self._forks[str(spec_file)] = child
            try:
                self._channel.sendall(f"{spec_file}\n".encode())
            except OSError:
                return None
        child.started.wait()
        return None if child.refusal else child

    def close(self) -> None:
        """End the warm process and its tasks."""
        # Shutting down, unlike closing, wakes the thread that listens.
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        self._popen.terminate()
        self._popen.wait()

    def _listen(self) -> None:
        buffer = b""
        while True:
            try:
                received = self._channel.recv(65536)
            except OSError:
                received = b""
            if not received:
                break
            buffer += received
            *lines, buffer = buffer.split(b"\n")
            for line in lines:
                self._hear(json.loads(line))
        # Gone: its children are unknown now, so they are ended and counted as failed.
        with self._lock:
            for child in self._forks.values():
                if child.pid:
                    kill_group(child.pid)
                child.refusal = "the warm process is gone"
                child.status = -signal.SIGKILL if child.status is None else child.status
                child.started.set()
                child.ended.set()

    def _hear(self, message: dict[str, str | int]) -> None:
        for key in ("started", "refused", "ended"):
            if key not in message:
                continue
            with self._lock:
                child = self._forks[str(message[key])]
                if key == "started":
                    child.pid = int(message["pid"])
                    child.started.set()
                elif key == "refused":
                    child.refusal = str(message["reason"])
                    child.started.set()
                else:
                    child.status = int(message["status"])
                    child.ended.set()
                    del self._forks[str(message[key])]


class Launcher:
    """Starts tasks the quick way where it is safe, the plain way elsewhere."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._lock = threading.Lock()
        self._warm: Warm | None = None
        self._can_fork = sys.platform == "linux" and not os.environ.get("LAPTOP_NO_FORK")

    def warm(self, modules: Sequence[str]) -> None:
        """Have a warm process with `modules`; returns at once, the imports go on beside."""
        if not self._can_fork:
            return
        with self._lock:
            if self._warm and self._warm.alive and set(modules) <= set(self._warm.modules):
                return
            old, self._warm = self._warm, Warm(self._surroundings, modules)
        # One that still has tasks ends with the workspace, which holds its other end.
        if old and not old.busy:
            old.close()

    def start(self, spec_file: Path) -> Process:
        """Start the task that a specification describes."""
        with self._lock:
            warm = self._warm
        forked = warm.fork(spec_file) if warm else None
        return forked or Spawned(spec_file, self._surroundings.task_environment())

    def close(self) -> None:
        """End the warm process."""
        with self._lock:
            if self._warm:
                self._warm.close()
                self._warm = None


def kill_group(pid: int) -> None:
    """End a process group that may be gone already."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
