"""Transfer of Arrow tables to the engine."""

import os
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from ..connection import is_running
from ..state_dir import require_state_dir


def to_spark(spark: SparkSession, rows: pa.Table) -> DataFrame:
    """Return the rows as a DataFrame that reads them from a temporary file.

    Rows within the query are limited to 128 MB and sent again with each action. Files of
    processes that have ended are removed.
    """
    folder = require_state_dir().frames
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        if not is_running(int(file.name.partition("-")[0])):
            file.unlink(missing_ok=True)
    path = folder / f"{os.getpid()}-{uuid.uuid4().hex}.parquet"
    pq.write_table(rows, path, compression="none", use_dictionary=False)
    return spark.read.parquet(str(path))
