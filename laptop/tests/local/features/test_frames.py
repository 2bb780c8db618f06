import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
from laptop.features.frames import to_spark
from laptop.state_dir import StateDir
from pyspark.sql import SparkSession

from .conftest import Workspace


def test_what_an_ended_process_handed_over_is_removed_and_what_lives_stays(
    workspace: Workspace, spark: SparkSession
) -> None:
    folder = StateDir(workspace.state_dir).frames
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    first = to_spark(spark, pa.table({"a": [1]}))
    left = folder / f"{ended.pid}-0.parquet"
    left.touch()

    second = to_spark(spark, pa.table({"a": [2]}))

    assert not left.exists()
    assert {file.name.partition("-")[0] for file in folder.iterdir()} == {str(os.getpid())}
    assert (first.collect()[0].a, second.collect()[0].a) == (1, 2)


def test_more_rows_than_a_message_holds_are_handed_over(
    workspace: Workspace, spark: SparkSession
) -> None:
    rows = pa.table({"a": np.zeros(18_000_000)})
    assert rows.nbytes > 128 * 2**20

    assert to_spark(spark, rows).count() == rows.num_rows
    for file in StateDir(workspace.state_dir).frames.iterdir():
        file.unlink()
