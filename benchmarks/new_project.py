"""Time from an empty folder to the first passing tests, and of the quick tests once installed.

Each round creates a project with the default answers in a new folder. Packages come from uv's
cache, which an untimed round fills.
"""

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from shutil import which

from rich.console import Console
from rich.table import Table

from conformance.tests.projects import PATH, ROOT
from scaffold.tests.installed_projects import install_project
from scaffold.tests.rendering import load_renderer
from scaffold.tests.repositories import Engine

ROUNDS = 3
FIRST_TEST = "tests/unit/promotion/test_decide.py"
AIMS = {"a green first test": 60.0, "make test, installed": 30.0}


def main() -> None:
    """Run the rounds and print the median of each step."""
    program = which("databricks", path=PATH)
    if program is None:
        raise SystemExit("No databricks on the PATH or in .tools/bin: run `make databricks-cli`.")
    answers = load_renderer(ROOT).complete({})
    rounds: list[dict[str, float]] = []
    for number in range(ROUNDS + 1):
        with tempfile.TemporaryDirectory() as folder:
            engine = Engine("bundle", Path(program), ROOT, Path(folder))
            measured = measure(engine, answers, Path(folder) / "made")
            if number:
                rounds.append(measured)
    table = Table("A new project", "median s", "aim s", box=None)
    for step in rounds[0]:
        median = statistics.median(one[step] for one in rounds)
        table.add_row(step, f"{median:.1f}", f"{AIMS[step]:.0f}" if step in AIMS else "")
    Console().print(table)


def measure(engine: Engine, answers: dict[str, str], folder: Path) -> dict[str, float]:
    """Return the duration of each step, in order."""
    times: dict[str, float] = {}

    def take(step: str, act: Callable[[], subprocess.CompletedProcess[str]]) -> None:
        start = time.perf_counter()
        done = act()
        times[step] = time.perf_counter() - start
        if done.returncode:
            raise RuntimeError(f"{step}: {done.stdout}")

    start = time.perf_counter()
    project = install_project(engine, answers, folder)
    times["bundle init, first commit"] = time.perf_counter() - start
    take("make setup", lambda: project.run("make", "setup"))
    take("first test", lambda: project.run("uv", "run", "--no-sync", "pytest", "-q", FIRST_TEST))
    times["a green first test"] = sum(times.values())
    take("make lint, first time", lambda: project.run("make", "lint"))
    take("make test, installed", lambda: project.run("make", "test"))
    return times


if __name__ == "__main__":
    main()
