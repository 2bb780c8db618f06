"""Point-in-time training sets of the laptop compared with DuckDB's ASOF JOIN.

Both sides turn the same Delta files into the same Arrow table, alternately, in separate processes.
DuckDB reads the files directly; the laptop queries its workspace and fetches the result, as a task
does.
"""

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from databricks.sdk import WorkspaceClient
from laptop import connection
from laptop.engine.session import connect
from laptop.jobs.task_environment import TASK_SPARK, TaskEnvironment
from laptop.state_dir import StateDir
from pyspark.sql.connect.session import SparkSession
from rich.console import Console
from rich.table import Table

ROUNDS = 5
FEATURES = [f"f{number}" for number in range(6)]
START, YEAR = 1_356_998_400_000_000, 365 * 86_400 * 1_000_000
INSTANT = pa.timestamp("us", tz="UTC")


# Seconds, a sum over the result, and the peak memory of the process in MB.
Measured = tuple[float, float, float]


@dataclass(frozen=True)
class Case:
    """Sizes of a join of spine rows to the latest rows of a feature table."""

    name: str
    spine: int
    table: int
    keys: int
    columns: int


CASES = [
    Case("flights", 336_776, 26_115, keys=3, columns=12),
    Case("large", 2_000_000, 5_000_000, keys=10_000, columns=2),
]


def main() -> None:
    """Run the rounds and print the medians, their ratio and the peak memory of each process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", choices=[case.name for case in CASES])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, workspace(Path(folder)) as server:
        for case in CASES:
            if given.case in (None, case.name):
                compare(case, given.rounds, Path(folder), server)


def compare(case: Case, rounds: int, folder: Path, server: int) -> None:
    """Run one case on both sides alternately."""
    files = write(case, folder)
    sides: dict[str, tuple[Callable[[Any], Measured], Any]] = {
        "DuckDB": (by_duckdb, files),
        "laptop": (by_laptop, case.name),
    }
    spawned = get_context("spawn")
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    peaks: dict[str, float] = {}
    sums: dict[str, float] = {}
    with (
        ProcessPoolExecutor(1, mp_context=spawned) as one,
        ProcessPoolExecutor(1, mp_context=spawned) as other,
    ):
        for _ in range(rounds + 1):
            for pool, (side, (join, given)) in zip((one, other), sides.items(), strict=True):
                taken, sums[side], peaks[side] = pool.submit(join, given).result()
                seconds[side].append(taken)
    if not np.isclose(sums["DuckDB"], sums["laptop"]):
        raise RuntimeError(f"The sides differ: {sums}.")

    title = f"{case.name}: {case.spine:,} rows to {case.table:,}"
    table = Table("side", "median s", "ratio", "peak MB", title=title, box=None)
    # The first round opens files and connections.
    medians = {side: statistics.median(times[1:]) for side, times in seconds.items()}
    for side, median in medians.items():
        ratio = median / medians["DuckDB"]
        table.add_row(side, f"{median:.2f}", f"{ratio:.2f}", f"{peaks[side]:,.0f}")
    console = Console()
    console.print(table)
    console.print(f"The workspace's process, with its engine: {peak_of(server):,.0f} MB at most.\n")


def by_duckdb(files: Mapping[str, list[str]]) -> Measured:
    """Join in this process."""
    import duckdb  # type: ignore[import-not-found]

    begin = time.perf_counter()
    found = duckdb.sql(
        f"SELECT s.* EXCLUDE (number, key, decided_at), {', '.join(FEATURES)} "
        "FROM read_parquet($spine) s ASOF LEFT JOIN read_parquet($table) t "
        "ON s.key = t.key AND s.decided_at >= t.known_at",
        params=dict(files),
    ).to_arrow_table()
    return time.perf_counter() - begin, sum_of(found), peak()


def by_laptop(name: str) -> Measured:
    """Join in a task's process."""
    from databricks.feature_engineering import FeatureEngineeringClient, FeatureLookup

    spark = SparkSession.getActiveSession() or connect(os.environ[TASK_SPARK])
    begin = time.perf_counter()
    found = (
        FeatureEngineeringClient()
        .create_training_set(
            df=spark.table(f"dev.bench.{name}_spine"),
            feature_lookups=[
                FeatureLookup(f"dev.bench.{name}", "key", timestamp_lookup_key="decided_at")
            ],
            label="label",
            exclude_columns=["number", "key", "decided_at"],
        )
        .load_df()
        .toArrow()
    )
    return time.perf_counter() - begin, sum_of(found), peak()


def write(case: Case, folder: Path) -> dict[str, list[str]]:
    """Write a case's tables in the workspace and return their files."""
    from databricks.feature_engineering import FeatureEngineeringClient

    random = np.random.default_rng(0)
    each = case.table // case.keys
    count = each * case.keys
    known = np.sort(random.integers(0, YEAR, (case.keys, each)), axis=1).ravel()
    table = pa.table(
        {
            "key": np.repeat(np.arange(case.keys), each),
            "known_at": pa.array(START + known, INSTANT),
            **{name: random.normal(size=count) for name in FEATURES},
        }
    )
    spine = pa.table(
        {
            "number": np.arange(case.spine),
            "key": random.integers(0, case.keys, case.spine),
            "decided_at": pa.array(START + random.integers(0, YEAR, case.spine), INSTANT),
            **{f"x{number}": random.normal(size=case.spine) for number in range(case.columns)},
            "label": random.integers(0, 2, case.spine),
        }
    )
    spark = connect(os.environ[TASK_SPARK])
    for rows, name in ((spine, "spine"), (table, "table")):
        pq.write_table(rows, folder / f"{name}.parquet")
    spark.sql("CREATE SCHEMA IF NOT EXISTS dev.bench")
    spark.read.parquet(f"{folder}/spine.parquet").write.saveAsTable(f"dev.bench.{case.name}_spine")
    FeatureEngineeringClient().create_table(
        name=f"dev.bench.{case.name}",
        primary_keys=["key", "known_at"],
        timeseries_column="known_at",
        df=spark.read.parquet(f"{folder}/table.parquet"),
    )
    tables = WorkspaceClient().tables
    places = {"spine": f"dev.bench.{case.name}_spine", "table": f"dev.bench.{case.name}"}
    return {
        side: [str(file) for file in Path(location_of(tables.get(name))).glob("*.parquet")]
        for side, name in places.items()
    }


def location_of(table: Any) -> str:
    """Return the folder of a table."""
    return str(table.storage_location).removeprefix("file://")


def sum_of(table: pa.Table) -> float:
    """Return a checksum of the features found."""
    return sum(float(np.nansum(table.column(name).to_numpy())) for name in FEATURES)


def peak() -> float:
    """Return the peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak_of(process: int) -> float:
    """Return the peak memory of another process in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


@contextmanager
def workspace(folder: Path) -> Iterator[int]:
    """Start a temporary workspace for this process and its children; yield its process id."""
    home = StateDir(folder / "home")
    there = connection.open_workspace(home, ["dev"])
    facts = TaskEnvironment(home.path, there.address, there.token, there.spark)
    os.environ.update(facts.variables())
    try:
        yield there.pid
    finally:
        connection.stop(home)


if __name__ == "__main__":
    main()
