"""The fork server: a process that has imported the libraries and does nothing but fork tasks.

A fork is safe only from a process that imported and did nothing else: a parent that has used
OpenMP or gRPC hangs or crashes its children. So nothing runs here, and a fork is refused once
the process has more threads than its imports left.

The forkserver of `multiprocessing` was tried in its place. Its children share the process group of
the workspace and outlive both it and the server; the server keeps the environment, `sys.path` and
`sys.argv` of the workspace from its first start; modules that a later job requires are never
preloaded; each child imports the workspace's `__main__` again.
"""

import contextlib
import importlib
import json
import os
import selectors
import socket
import sys
from pathlib import Path

from . import task
from .processes import kill_group


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


class Forks:
    """Forks on request and reports how each child ended, as lines of JSON on one socket."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._children: dict[int, str] = {}
        self._threads = count_threads()

    def serve(self) -> None:
        """Answer until the other side closes, then end what still runs.

        A line is the file of a task to fork, or `+` and modules to import before the next one.
        """
        selector = selectors.DefaultSelector()
        selector.register(self._channel, selectors.EVENT_READ)
        buffer = b""
        try:
            while True:
                self.reap()
                if not selector.select(timeout=0.02 if self._children else None):
                    continue
                received = self._channel.recv(65536)
                if not received:
                    return
                *lines, buffer = (buffer + received).split(b"\n")
                for line in lines:
                    if line.startswith(b"+"):
                        before = count_threads()
                        import_all(line[1:].decode().split())
                        # Only what the imports started is allowed for, not what grew before.
                        self._threads += count_threads() - before
                    else:
                        self.fork(line.decode())
        finally:
            for pid in self._children:
                kill_group(pid)

    def fork(self, spec_file: str) -> None:
        """Fork one child for the specification in `spec_file`."""
        threads = count_threads()
        if threads > self._threads:
            reason = f"{threads} threads where imports left {self._threads}"
            self.say(spec_file, refused=reason)
            return
        pid = os.fork()
        if pid == 0:
            status = task.FAILED
            try:
                os.setpgid(0, 0)
                self._channel.close()
                status = task.run(task.TaskSpec.read(Path(spec_file)))
            finally:
                os._exit(status)
        # On both sides: the workspace can end the child's group as soon as it knows its number.
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        self._children[pid] = spec_file
        self.say(spec_file, pid=pid)

    def reap(self) -> None:
        """Report the children that have ended, and end what they left running."""
        while self._children:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            # While the child is not yet waited for, no other process can have its number.
            kill_group(ended.si_pid)
            _, status = os.waitpid(ended.si_pid, 0)
            self.say(self._children.pop(ended.si_pid), status=os.waitstatus_to_exitcode(status))

    def say(self, spec_file: str, **facts: object) -> None:
        """Send one line about a child."""
        self._channel.sendall(json.dumps({"task": spec_file, **facts}).encode() + b"\n")


def main() -> None:
    """Import the modules named on the command line, then fork on request."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    import_all(sys.argv[2:])
    Forks(channel).serve()
    os._exit(0)


if __name__ == "__main__":
    main()
