"""The fork server: a process that imports the libraries and forks tasks.

Forking is safe only if the parent has done nothing but import: a parent that has used OpenMP or
gRPC hangs or crashes its children. The server therefore runs no tasks itself, and refuses to fork
if it has more threads than its imports started.

The forkserver of `multiprocessing` was tried and rejected. Its children share the process group
of the workspace and outlive both it and the server; the server keeps the environment, `sys.path`
and `sys.argv` of the workspace from its first start; modules required by a later job are never
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
    """Return the number of operating system threads of this process."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def import_all(modules: list[str]) -> None:
    """Import the modules; skip failures, which the task that needs the module will raise."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError:
            continue


class Forks:
    """Forks children on request and reports how each ended, as lines of JSON on one socket."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._children: dict[int, str] = {}
        self._threads = count_threads()

    def serve(self) -> None:
        """Serve requests until the client closes the socket, then kill the remaining children.

        A request is the path of a task's specification, or `+` and modules to import.
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
                        # Allow for threads started by these imports only.
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
        # Done in parent and child: the workspace may kill the group as soon as it has the pid.
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        self._children[pid] = spec_file
        self.say(spec_file, pid=pid)

    def reap(self) -> None:
        """Report the children that have ended, and kill the processes they left running."""
        while self._children:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            # The pid cannot be reused until the child has been waited for.
            kill_group(ended.si_pid)
            _, status = os.waitpid(ended.si_pid, 0)
            self.say(self._children.pop(ended.si_pid), status=os.waitstatus_to_exitcode(status))

    def say(self, spec_file: str, **facts: object) -> None:
        """Send one line about a child."""
        self._channel.sendall(json.dumps({"task": spec_file, **facts}).encode() + b"\n")


def main() -> None:
    """Import the modules named on the command line, then serve fork requests."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    import_all(sys.argv[2:])
    Forks(channel).serve()
    os._exit(0)


if __name__ == "__main__":
    main()
