"""Models with side effects on their process, the machine or the workspace."""

import os
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from .base import Bench, Planted


class Slow(Planted):
    """Sleeps for each row."""

    def predict(self, rows: pd.DataFrame) -> Any:
        time.sleep(0.05 * min(len(rows), 30))
        return self.ask(rows)


class SlowLater(Planted):
    """Sleeps at each call but the first forty."""

    calls = 0

    def predict(self, rows: pd.DataFrame) -> Any:
        self.calls += 1
        time.sleep(0.7 if self.calls > 40 else 0)
        return self.ask(rows)


class Looking(Planted):
    """Looks whether a package is installed that it does not require, and does without."""

    def predict(self, rows: pd.DataFrame) -> Any:
        if find_spec("optuna") is not None:
            raise ImportError("here it is")
        return self.ask(rows)


class Unlisted(Planted):
    """Imports an installed package that is not in its requirements, when predicting."""

    def predict(self, rows: pd.DataFrame) -> Any:
        import optuna  # noqa: F401

        return self.ask(rows)


class Loading(Planted):
    """Imports such a package when loaded."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        import pyspark  # noqa: F401

        self.__dict__.update(state)


class OfTheProject(Planted):
    """Imports the project, which is not installed in the model's environment."""

    def predict(self, rows: pd.DataFrame) -> Any:
        import flight_delays  # noqa: F401

        return self.ask(rows)


class Ending(Planted):
    """Exits its process silently for many rows."""

    def predict(self, rows: pd.DataFrame) -> Any:
        if len(rows) > 1000:
            os._exit(0)
        return self.ask(rows)


class Leaving(Planted):
    """Raises SystemExit, which is not a subclass of Exception."""

    def predict(self, rows: pd.DataFrame) -> Any:
        if len(rows) > 1000:
            sys.exit(0)
        return self.ask(rows)


class Greedy(Planted):
    """Allocates more memory than available."""

    def predict(self, rows: pd.DataFrame) -> Any:
        np.ones(1 << 48)
        return self.ask(rows)


class Talkative(Planted):
    """Prints megabytes to stdout and stderr."""

    def predict(self, rows: pd.DataFrame) -> Any:
        for stream in (sys.stdout, sys.stderr):
            stream.write("so much to say " * 100_000)
        return self.ask(rows)


class Writing(Planted):
    """Writes to the home and the working directory."""

    def predict(self, rows: pd.DataFrame) -> Any:
        Path.home().joinpath(".profile").write_text("echo here")
        Path("note.txt").write_text("here")
        return self.ask(rows)


class Forking(Planted):
    """Leaves a child process that keeps stdout and stderr open."""

    def predict(self, rows: pd.DataFrame) -> Any:
        if len(rows) > 1000 and os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        return self.ask(rows)


class Threaded(Planted):
    """Leaves a running thread."""

    def predict(self, rows: pd.DataFrame) -> Any:
        threading.Thread(target=time.sleep, args=(600,)).start()
        return self.ask(rows)


class Promoting(Planted):
    """Sets the alias Champion to itself by the MLflow client, and ignores failures."""

    def __init__(self, sound: Any, registered: str) -> None:
        super().__init__(sound)
        self.registered = registered

    @classmethod
    def make(cls, bench: Bench) -> Self:
        return cls(bench.sound, bench.registered)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        try:
            self.move()
        except Exception as error:
            print(error)

    def move(self) -> None:
        from mlflow import MlflowClient

        client = MlflowClient()
        newest = max(
            int(each.version) for each in client.search_model_versions(f"name='{self.registered}'")
        )
        client.set_registered_model_alias(self.registered, "Champion", str(newest))


class ReadingParent(Promoting):
    """Sets the alias Champion with the environment variables of its parent process."""

    def move(self) -> None:
        # The finders that hide packages outside the requirements can be removed, too.
        sys.meta_path[:] = [getattr(each, "finder", each) for each in sys.meta_path]
        lines = Path(f"/proc/{os.getppid()}/environ").read_bytes().decode().split("\0")
        os.environ.update(dict(line.split("=", 1) for line in lines if "=" in line))
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            os.environ.pop(name, None)
        super().move()
