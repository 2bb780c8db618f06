"""Duration of a job with tasks from the fork server, compared with a new process per task.

Both sides run the same job on the same small data, alternately, in separate workspaces. The
duration is that of the run in the Jobs API.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from laptop import connection
from laptop.state_dir import StateDir
from rich.console import Console
from rich.table import Table

ROUNDS = 5
JOB = [
    "run",
    "model_training",
    "--only",
    "train",
    "--params",
    "as_of=2013-02-01,policy=policy_small",
]


def main() -> None:
    """Run the rounds and print the medians and their ratio."""
    console = Console()
    sides = {"a process a task": {"LAPTOP_NO_FORK": "1"}, "forked": {}}
    times: dict[str, list[float]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as folder:
        homes = {side: StateDir(Path(folder) / str(number)) for number, side in enumerate(sides)}
        try:
            for side, home in homes.items():
                call(home, sides[side], "run", "feature_refresh", "--params", "as_of=2013-02-01")
                call(home, sides[side], *JOB)
            for _ in range(ROUNDS):
                for side, home in homes.items():
                    call(home, sides[side], *JOB)
                    times[side].append(last_run_seconds(home))
        finally:
            for home in homes.values():
                connection.stop(home)
    table = Table("train, January", "median s", "ratio", box=None)
    base = statistics.median(times["a process a task"])
    for side, seconds in times.items():
        median = statistics.median(seconds)
        table.add_row(side, f"{median:.2f}", f"{median / base:.2f}")
    console.print(table)


def call(home: StateDir, environment: dict[str, str], *arguments: str) -> None:
    """Run a `laptop` command that must succeed."""
    subprocess.run(
        [sys.executable, "-m", "laptop", *arguments],
        env={**os.environ, **environment, "LAPTOP_HOME": str(home.path)},
        check=True,
        capture_output=True,
    )


def last_run_seconds(home: StateDir) -> float:
    """Return the duration of the newest run."""
    there = connection.find(home)
    if there is None:
        raise RuntimeError(json.dumps({"home": str(home.path), "workspace": "not up"}))
    run = there.ask("GET", "/api/2.2/jobs/runs/list")["runs"][0]
    return float(run["end_time"] - run["start_time"]) / 1000


if __name__ == "__main__":
    main()
