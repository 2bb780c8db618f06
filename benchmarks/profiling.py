"""Profile and baseline drift of a wide table: the laptop compared with Evidently, and by rows.

Both sides read the same Parquet files, alternately, in separate processes, and compute counts,
nulls, moments and quantiles of each column, and its drift against a baseline of as many rows. The
laptop writes its metric tables as a refresh does, with more statistics. Evidently's total variation
is omitted: its p-value takes a thousand permutations and ten minutes. Evidently runs in a separate
environment, created by `uv run --with evidently`.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

NUMBERS = [f"number_{at}" for at in range(10)]
WORDS = [f"word_{at}" for at in range(10)]
ROWS, ROUNDS = 1_000_000, 3
GROWTH = [1_000_000, 10_000_000]
CHUNK = 1_000_000

# Program for Evidently: read both files, compute the same metrics, print the seconds.
EVIDENTLY = """
import json, resource, sys, time
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import MeanValue, MinValue, MaxValue, StdValue, QuantileValue
from evidently.metrics import MissingValueCount, UniqueValueCount, ValueDrift
numbers, words, current, baseline = json.loads(sys.argv[1])
begin = time.perf_counter()
shape = DataDefinition(numerical_columns=numbers, categorical_columns=words)
frames = [pd.read_parquet(path) for path in (current, baseline)]
sides = [Dataset.from_pandas(frame, data_definition=shape) for frame in frames]
metrics = []
for column in numbers:
    metrics += [kind(column=column) for kind in (MeanValue, MinValue, MaxValue, StdValue)]
    metrics += [MissingValueCount(column=column), QuantileValue(column=column, quantile=0.5)]
    metrics += [ValueDrift(column=column, method=m) for m in ("ks", "wasserstein", "psi")]
for column in words:
    metrics += [MissingValueCount(column=column), UniqueValueCount(column=column)]
    metrics += [ValueDrift(column=column, method=m) for m in ("jensenshannon", "chisquare")]
Report(metrics).run(*sides)
seconds = time.perf_counter() - begin
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def main() -> None:
    """Run the selected benchmark and print the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", choices=["evidently", "growth", "all"], default="all")
    parser.add_argument("--rows", type=int, nargs="+", default=GROWTH, help="sizes of the growth")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--laptop", nargs=2, metavar=("CURRENT", "BASELINE"), help="one side")
    given = parser.parse_args()
    if given.laptop:
        print(json.dumps(by_laptop(*map(Path, given.laptop))))
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if given.part in ("evidently", "all"):
            versus(folder, given.rounds)
        if given.part in ("growth", "all"):
            grow(folder, given.rows)


def versus(folder: Path, rounds: int) -> None:
    """Print the medians of both sides and their ratio."""
    files = [str(write(folder, name, ROWS, seed)) for seed, name in enumerate(("now", "then"))]
    sides: dict[str, list[str]] = {
        "laptop": [sys.executable, __file__, "--laptop", *files],
        "Evidently": [
            *("uv", "run", "--no-project", "--python", "3.11", "--with", "evidently", "--with"),
            *("pyarrow", "python", "-c", EVIDENTLY, json.dumps([NUMBERS, WORDS, *files])),
        ],
    }
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    peaks: dict[str, float] = {}
    for _ in range(rounds):
        for side, command in sides.items():
            taken, peaks[side] = run(command)
            seconds[side].append(taken)
    medians = {side: statistics.median(taken) for side, taken in seconds.items()}
    print(f"{ROWS:,} rows, {len(NUMBERS) + len(WORDS)} columns, profile and baseline drift:")
    for side, median in medians.items():
        print(f"  {side}: {median:.2f} s, peak {peaks[side]:,.0f} MB")
    print(f"  ratio: {medians['Evidently'] / medians['laptop']:.1f}")


def grow(folder: Path, sizes: list[int]) -> None:
    """Print seconds and peak memory of the laptop by number of rows."""
    for rows in sizes:
        files = [str(write(folder, name, rows, seed)) for seed, name in enumerate(("now", "then"))]
        taken, peak = run([sys.executable, __file__, "--laptop", *files])
        print(
            f"{rows:,} rows: {taken:.2f} s, {taken / rows * 1e6:.2f} s a million, "
            f"peak {peak:,.0f} MB with engine and workspace",
            flush=True,
        )


def run(command: list[str]) -> tuple[float, float]:
    """Return the seconds and the peak memory in MB that a process prints."""
    clean = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=clean)
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return float(seconds), float(peak)


def by_laptop(current: Path, baseline: Path) -> tuple[float, float]:
    """Refresh a snapshot in this process with its own Spark engine."""
    from laptop import connection
    from laptop.engine.session import connect
    from laptop.profiling.configuration import Configuration
    from laptop.profiling.profiler import Profiler, Refresh
    from laptop.state_dir import StateDir

    with tempfile.TemporaryDirectory() as place:
        home = StateDir(Path(place) / "home")
        there = connection.open_workspace(home, ["dev"])
        spark = connect(there.spark)
        try:
            spark.sql("CREATE SCHEMA dev.bench")
            for path, name in ((current, "now"), (baseline, "then")):
                spark.read.parquet(str(path)).write.saveAsTable(f"dev.bench.{name}")
            now = datetime.now(UTC)
            settings = Configuration("snapshot", baseline="dev.bench.then")
            refresh = Refresh("dev.bench.now", "dev.bench", settings, 0, 0, now, now)
            begin = time.perf_counter()
            Profiler(spark, refresh, Path(place) / "rows").run()
            seconds = time.perf_counter() - begin
            status = Path(f"/proc/{there.pid}/status").read_text()
            (engine,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
            own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            return seconds, (own + int(engine.split()[1])) / 1024
        finally:
            # At exit, it would retry requests to the stopped engine.
            spark.stop()
            connection.stop(home)


def write(folder: Path, name: str, rows: int, seed: int) -> Path:
    """Write a file of random rows; the distributions differ slightly by seed."""
    random = np.random.default_rng(seed)
    path = folder / f"{name}.parquet"
    names = pa.array([f"value {at:02}" for at in range(20)])
    schema = pa.schema([*((n, pa.float64()) for n in NUMBERS), *((w, pa.string()) for w in WORDS)])
    with pq.ParquetWriter(path, schema) as file:
        for _ in range(0, rows, CHUNK):
            count = min(CHUNK, rows)
            numbers = {n: random.normal(seed * at / 50, 1, count) for at, n in enumerate(NUMBERS)}
            words = {
                w: pa.DictionaryArray.from_arrays(
                    random.binomial(19, 0.3 + seed * at / 100, count).astype(np.int32), names
                ).cast(pa.string())
                for at, w in enumerate(WORDS)
            }
            file.write_table(pa.table(numbers | words, schema=schema))
    return path


if __name__ == "__main__":
    main()
