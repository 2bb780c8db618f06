"""The warm process: it has imported the libraries and does nothing but fork tasks.

A fork is safe only from a process that imported and did nothing else: a parent that has used
OpenMP or gRPC hangs or crashes its children. So nothing runs here, and a fork is refused once
the process has more threads than its imports left.
"""

import importlib
import json
import os
import selectors
import signal
import socket
import sys
from pathlib import Path

from . import task


def count_threads() -> int:
    """Return how many operating system threads this process has."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def import_all(modules: list[str]) -> None:
    """Import what can be imported; a task that misses a module says so itself."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError:
            continue


class Parent:
    """Forks on request and reports how each child ended, as lines of JSON on one socket."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._children: dict[int, str] = {}
        self._threads = count_threads()

    def serve(self) -> None:
        """Answer until the other side closes, then end what still runs."""
        self.say({"ready": os.getpid()})
        selector = selectors.DefaultSelector()
        selector.register(self._channel, selectors.EVENT_READ)
        buffer = b""
        while True:
            self.reap()
            if not selector.select(timeout=0.02 if self._children else None):
                continue
            received = self._channel.recv(65536)
            if not received:
                break
            buffer += received
            *lines, buffer = buffer.split(b"\n")
            for line in lines:
                self.fork(line.decode())
        for pid in self._children:
            os.killpg(pid, signal.SIGKILL)

    def fork(self, spec_file: str) -> None:
        """Fork one child for the specification in `spec_file`."""
        threads = count_threads()
        if threads > self._threads:
            reason = f"{threads} threads where imports left {self._threads}"
            self.say({"refused": spec_file, "reason": reason})
            return
        pid = os.fork()
        if pid == 0:
            status = task.FAILED
            try:
                os.setsid()
                self._channel.close()
                status = task.run(task.TaskSpec.read(Path(spec_file)))
            finally:
                os._exit(status)
        self._children[pid] = spec_file
        self.say({"started": spec_file, "pid": pid})

    def reap(self) -> None:
        """Report the children that have ended."""
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            spec_file = self._children.pop(pid)
            self.say({"ended": spec_file, "status": os.waitstatus_to_exitcode(status)})

    def say(self, message: dict[str, object]) -> None:
        """Send one line."""
        self._channel.sendall(json.dumps(message).encode() + b"\n")


def main() -> None:
    """Import the modules named on the command line, then fork on request."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    import_all(sys.argv[2:])
    Parent(channel).serve()


if __name__ == "__main__":
    main()
