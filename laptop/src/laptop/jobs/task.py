"""The main module of a task's process: load the entry point, call it, report the result."""

import importlib.metadata
import json
import os
import random
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SUCCEEDED = 0
FAILED = 1


@dataclass(frozen=True)
class TaskSpec:
    """One attempt of a task, written as a file for the process that runs it.

    Attributes:
        package: Distribution with the entry point.
        entry_point: Name of the entry point.
        arguments: The resolved command line.
        path: Folders to put first on Python's path.
        environment: Environment variables to add.
        log: File for the task's output.
    """

    package: str
    entry_point: str
    arguments: list[str]
    path: list[str]
    environment: dict[str, str]
    log: str

    def write(self, file: Path) -> None:
        """Write the specification."""
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, file: Path) -> "TaskSpec":
        """Read a specification."""
        return cls(**json.loads(file.read_text()))


def run(spec: TaskSpec) -> int:
    """Run one attempt in this process and return its exit status.

    As on Databricks, an entry point must return or raise: a call of `sys.exit` is a failure,
    even with status 0.
    """
    log = os.open(spec.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.close(log)
    os.environ.update(spec.environment)
    sys.argv = [spec.entry_point, *spec.arguments]
    sys.path[:0] = spec.path
    reseed()
    try:
        load(spec)()
        flush()
    except SystemExit as leaving:
        print(
            f"The entry point called sys.exit({leaving.code!r}); Databricks counts that as a "
            "failure. Return instead, or raise.",
            file=sys.stderr,
        )
        return FAILED
    except BaseException:
        traceback.print_exc()
        return FAILED
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return SUCCEEDED


def load(spec: TaskSpec) -> Callable[[], Any]:
    """Return the function behind the entry point, from the task's own wheel."""
    for distribution in importlib.metadata.distributions(name=spec.package, path=spec.path):
        for entry in distribution.entry_points.select(name=spec.entry_point):
            function: Callable[[], Any] = entry.load()
            return function
    raise LookupError(f"{spec.package} has no entry point {spec.entry_point}")


def reseed() -> None:
    """Reseed the random number generators of a forked process."""
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def flush() -> None:
    """Wait for MLflow's background writes."""
    if "mlflow" in sys.modules:
        sys.modules["mlflow"].flush_async_logging()


def follow(lifeline: int) -> None:
    """Kill this process and everything it started when the workspace ends."""
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    inherited = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    threading.Thread(target=follow, args=(inherited,), daemon=True).start()
    status = run(TaskSpec.read(Path(sys.argv[1])))
    # Skip the interpreter shutdown, which takes a second.
    os._exit(status)
