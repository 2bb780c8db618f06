"""Rows that arrive by a stream are scored once each, whatever is killed or repeated."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flight_delays.problem import PROBLEM

from tests.conftest import MODEL, SCHEMA, Laptop, open_copy
from tests.problem.instants import FIRST

KEYS = list(PROBLEM.keys)
SPINE = PROBLEM.spine.source

# `score` runs the task; `arrive` appends rows that batch has scored to the stream's table, each
# `times` as a file of its own.
TASK = f"""
import os
from flight_delays.lakehouse import streams
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.errors import LakehouseError
from flight_delays.config.streaming import Streaming
from flight_delays.tasks import stream_inference

lakehouse = Lakehouse()
spark = lakehouse.spark
REQUESTS = "{SCHEMA}.stream_requests"

def score(**changed):
    configured = {{"requests": {{"table": "stream_requests"}}, "sources": {{}}, "files_at_once": 1,
        "rows_at_once": 100, "settle_seconds": 0, "minutes": 0, **changed}}
    parameters = stream_inference.StreamParameters.parse([
        "--model={MODEL}", "--source={SCHEMA}", "--target={SCHEMA}",
        "--volume={SCHEMA}.checkpoints", "--as_of={FIRST}", "--scored_at=",
    ])
    try:
        stream_inference.run(parameters, lakehouse, Streaming(**configured))
    except LakehouseError as error:
        print("REFUSED", type(error).__name__, error)

def arrive(first, last):
    rows = spark.table("{SCHEMA}.{SPINE}").join(
        spark.table("{SCHEMA}.predictions").select(*{KEYS!r}), on={KEYS!r}, how="left_semi")
    rows = rows.orderBy(*{KEYS!r}).limit(last).tail(last - first)
    spark.createDataFrame(rows).write.mode("append").saveAsTable(REQUESTS)

def end(*_, **__):
    print("cut", flush=True)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory, trained_state: Path) -> Iterator[Laptop]:
    """Yield a workspace with a Champion, and a table that requests arrive in."""
    with open_copy(trained_state, tmp_path_factory.mktemp("streaming")) as laptop:
        laptop.sql(f"CREATE VOLUME IF NOT EXISTS {SCHEMA}.checkpoints")
        print(laptop.execute(TASK + "score()"))
        yield laptop


def scored(laptop: Laptop) -> list[dict[str, Any]]:
    return laptop.sql(f"SELECT * FROM {SCHEMA}.stream_predictions ORDER BY {', '.join(KEYS)}")


def test_rows_are_scored_as_batch_scores_them(streaming: Laptop) -> None:
    said = streaming.execute(TASK + "arrive(0, 20)\narrive(20, 30)\nscore()\nscore()")
    print(said)
    same = ", ".join(name for name in (*KEYS, "round(prediction, 12)", "model_version"))
    both = streaming.sql(
        f"SELECT {same} FROM {SCHEMA}.stream_predictions EXCEPT "
        f"SELECT {same} FROM {SCHEMA}.predictions"
    )
    assert both == []
    assert len(scored(streaming)) == 30
