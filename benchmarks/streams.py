"""Scored messages a second of a topic, compared with the same model called without Spark.

Needs no account. A temporary workspace trains a model on two months. Then messages are read from
a librdkafka mock broker, landed, checked, joined with features, scored, written and answered. Five
minutes on two cores.

    python -m benchmarks.streams
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from laptop.state_dir import StateDir

from tests.conftest import MODEL, SCHEMA, Laptop
from tests.framework.local.test_stream_kafka import KEY, SPINE, TASK, Broker
from tests.problem.instants import FIRST

# The broker retains 5 MiB in each of its four partitions.
PARTS, PART, AT_ONCE = 4, 25_000, 10_000
CALL = f"""
import time
import mlflow
import pandas as pd
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.problem import PROBLEM

lakehouse = Lakehouse()
model = mlflow.pyfunc.load_model("models:/{MODEL}/1/data/feature_store/raw_model")
rows = lakehouse.spark.table("{SCHEMA}.predictions").toPandas()
rows = pd.concat([rows] * ({PARTS * PART} // len(rows) + 1))[: {PARTS * PART}]
rows = rows[list(PROBLEM.feature_columns)]
model.predict(rows[:1000])
began = time.perf_counter()
model.predict(rows)
print(len(rows) / (time.perf_counter() - began))
"""


def main() -> int:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        laptop = Laptop(StateDir(Path(folder) / "workspace"))
        try:
            streamed, called = measure(laptop)
        finally:
            laptop.close()
    print(f"{PARTS * PART:,} rows, in micro-batches of {AT_ONCE:,}")
    print(f"{'from a topic to a topic':<40}{streamed:>12,.0f} rows a second")
    print(f"{'the model alone, called with a frame':<40}{called:>12,.0f} rows a second")
    print(f"{'ratio':<40}{streamed / called:>12.3f}")
    return 0


def measure(laptop: Laptop) -> tuple[float, float]:
    """Return the rows a second of the stream and of the model alone."""
    laptop.bring()
    for job in ("feature_refresh", "model_training", "batch_inference"):
        laptop.succeed(job, FIRST)
    laptop.sql(f"CREATE VOLUME IF NOT EXISTS {SCHEMA}.checkpoints")
    rows = laptop.sql(f"SELECT * FROM {SCHEMA}.{SPINE.name} LIMIT 5000")
    broker, spent = Broker(), 0.0
    for part in range(PARTS):
        numbers = range(part * PART, (part + 1) * PART)
        broker.send(
            "flights",
            [json.dumps({**rows[at % len(rows)], KEY: f"m-{at:06}"}).encode() for at in numbers],
        )
        began = time.perf_counter()
        laptop.execute(f"{TASK}\nscore('{broker.servers}', {AT_ONCE})")
        spent += time.perf_counter() - began
    (found,) = laptop.sql(
        f"SELECT count(*) AS n FROM {SCHEMA}.stream_predictions WHERE {KEY} LIKE 'm-%'"
    )
    assert int(found["n"]) == PARTS * PART, found
    return PARTS * PART / spent, float(laptop.execute(CALL).splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())
