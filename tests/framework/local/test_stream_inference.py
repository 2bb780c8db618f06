"""Rows of a stream are scored exactly once, despite kills and retries."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flight_delays.problem import PROBLEM

from tests.conftest import MODEL, SCHEMA, Laptop, open_copy
from tests.problem.instants import FIRST

NIGHTLY = pytest.mark.nightly
KEYS = list(PROBLEM.keys)
SPINE = PROBLEM.spine.source

# `score` runs the task; `arrive` appends rows that batch has scored to the stream's table, each
# `times` times in separate files.
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
    os._exit(1)

def land_and_end(table, append=streams.append_batch):
    return lambda rows, batch: (append(table)(rows, batch), end())
"""


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory, trained_state: Path) -> Iterator[Laptop]:
    """Yield a workspace with a Champion, and a table of incoming requests."""
    with open_copy(trained_state, tmp_path_factory.mktemp("streaming")) as laptop:
        laptop.sql(f"CREATE VOLUME IF NOT EXISTS {SCHEMA}.checkpoints")
        assert "0 predictions added" in laptop.execute(TASK + "score()")
        yield laptop


def scored(laptop: Laptop) -> list[dict[str, Any]]:
    return laptop.sql(f"SELECT * FROM {SCHEMA}.stream_predictions ORDER BY {', '.join(KEYS)}")


def waiting(laptop: Laptop) -> int:
    (row,) = laptop.sql(f"SELECT count(*) AS n FROM {SCHEMA}.stream_requests_landed")
    return int(row["n"])


def test_rows_are_scored_once_each_as_batch_scores_them(streaming: Laptop) -> None:
    said = streaming.execute(TASK + "arrive(0, 20)\narrive(20, 30)\nscore()\nscore()")
    assert "micro-batch 0: 20 rows scored by version 1" in said
    assert "micro-batch 1: 10 rows scored by version 1" in said
    same = ", ".join(name for name in (*KEYS, "round(prediction, 12)", "model_version"))
    both = streaming.sql(
        f"SELECT {same} FROM {SCHEMA}.stream_predictions EXCEPT "
        f"SELECT {same} FROM {SCHEMA}.predictions"
    )
    assert both == []
    before = scored(streaming)
    assert len(before) == 30
    # Duplicate rows keep their prediction.
    said = streaming.execute(TASK + "arrive(10, 40)\nscore()")
    assert "10 rows scored" in said
    after = scored(streaming)
    assert len(after) == 40
    assert all(row in after for row in before)


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param("streams.append_batch = land_and_end", id="landing"),
        pytest.param("stream_inference.score_batch = end", id="landed", marks=NIGHTLY),
        pytest.param("stream_inference.add_new_rows = end", id="taken", marks=NIGHTLY),
        pytest.param("stream_inference.forget_batch = end", id="scored"),
    ],
)
def test_a_run_that_is_killed_is_completed_by_the_next(streaming: Laptop, cut: str) -> None:
    first = len(scored(streaming))
    arriving = f"arrive({first}, {first + 3})\narrive({first + 3}, {first + 6})\n"
    with pytest.raises(AssertionError, match="cut"):
        streaming.execute(TASK + f"{arriving}{cut}\nscore()")
    assert "predictions added" in streaming.execute(TASK + "score()")
    rows = scored(streaming)
    assert len(rows) == len({tuple(row[key] for key in KEYS) for row in rows}) == first + 6
    assert waiting(streaming) == 0


def test_a_new_champion_takes_over_between_two_micro_batches(streaming: Laptop) -> None:
    first = len(scored(streaming))
    code = f"""
registry = lakehouse.registry
one = registry.get_model_version("{MODEL}", "1")
two = registry.create_model_version("{MODEL}", one.source, one.run_id).version
registry.set_model_version_tag("{MODEL}", two, "model_validation_status", "PASSED")
scoring = stream_inference.score_batch
def score_then_promote(*given):
    added = scoring(*given)
    registry.set_registered_model_alias("{MODEL}", "Champion", two)
    return added
stream_inference.score_batch = score_then_promote
arrive({first}, {first + 3})
arrive({first + 3}, {first + 5})
score()
registry.set_registered_model_alias("{MODEL}", "Champion", "1")
"""
    said = streaming.execute(TASK + code)
    assert "3 rows scored by version 1" in said
    assert "2 rows scored by version 2" in said
    versions = [row["model_version"] for row in scored(streaming)]
    assert versions.count(2) == 2


def test_a_run_looks_for_more_as_long_as_it_is_told_to(streaming: Laptop) -> None:
    first = len(scored(streaming))
    # The rows arrive between its first look, at the start, and its second, half a minute later.
    code = f"""
clock = iter([0, 0, 30, 61])
stream_inference.monotonic = lambda: next(clock)
stream_inference.sleep = lambda _: arrive({first}, {first + 2})
score(minutes=1)
"""
    assert "2 predictions added" in streaming.execute(TASK + code)


def test_without_a_champion_what_has_arrived_waits(streaming: Laptop) -> None:
    first = len(scored(streaming))
    code = f"""
arrive({first}, {first + 2})
lakehouse.registry.delete_registered_model_alias("{MODEL}", "Champion")
score()
lakehouse.registry.set_registered_model_alias("{MODEL}", "Champion", "1")
"""
    assert "arrived rows wait for one" in streaming.execute(TASK + code)
    assert waiting(streaming) == 2
    assert "2 predictions added" in streaming.execute(TASK + "score()")


def test_a_bad_row_goes_to_quarantine_and_the_others_are_scored(streaming: Laptop) -> None:
    first = len(scored(streaming))
    code = f"""
arrive({first}, {first + 2})
rows = spark.table(REQUESTS).limit(1).toPandas()
bad = rows.assign(**{{"{KEYS[0]}": "bad", "{PROBLEM.spine.decision_at}": None}})
spark.createDataFrame(bad, spark.table(REQUESTS).schema).write.mode("append").saveAsTable(REQUESTS)
score()
"""
    said = streaming.execute(TASK + code)
    assert "1 kept in quarantine" in said
    assert len(scored(streaming)) == first + 2
    (row,) = streaming.sql(f"SELECT * FROM {SCHEMA}.quarantine WHERE source = 'requests'")
    assert row["reason"] == f"{PROBLEM.spine.decision_at} is missing"
    assert row["outcome"] == "left out"


def test_too_many_bad_rows_wait_until_they_are_accepted(streaming: Laptop) -> None:
    first = len(scored(streaming))
    # The invalid row from before waits for a valid one.
    streaming.execute(TASK + f"arrive({first}, {first + 1})\nscore()")
    first += 1
    assert (waiting(streaming), len(scored(streaming))) == (0, first)
    code = f"""
rows = spark.table(REQUESTS).limit(1).toPandas()
bad = rows.assign(**{{"{PROBLEM.spine.decision_at}": None}}).loc[rows.index.repeat(11)]
bad["{KEYS[0]}"] = [f"bad {{number}}" for number in range(11)]
spark.createDataFrame(bad, spark.table(REQUESTS).schema).write.mode("append").saveAsTable(REQUESTS)
arrive({first}, {first + 2})
score()
score()
"""
    said = streaming.execute(TASK + code)
    assert said.count("REFUSED StreamError requests: 11 of 11 new rows are invalid") == 2
    assert "micro-batch" not in said.partition("REFUSED")[0]
    assert (waiting(streaming), len(scored(streaming))) == (13, first)
    corrected = """
policy = stream_inference.load_data_quality([source.name for source in PROBLEM.sources])
limits = policy.default.model_copy(update={"max_bad_rows": 11})
policy = policy.model_copy(update={"default": limits})
stream_inference.load_data_quality = lambda _: policy
score()
"""
    said = streaming.execute(f"{TASK}from flight_delays.problem import PROBLEM\n{corrected}")
    assert "no valid row, it waits for the next, 11 kept in quarantine" in said
    assert "2 predictions added" in said
    assert (waiting(streaming), len(scored(streaming))) == (0, first + 2)


REFUSED = {
    "score(requests={'topic': 'flights'})": "Set the variable kafka_servers",
    "score(requests={'table': 'other.one.requests'})": "Table other.one.requests does not exist",
    f"score(requests={{'table': '{SCHEMA}.predictions'}})": "Add them to the table",
}


@pytest.mark.parametrize("code", REFUSED)
def test_a_stream_that_cannot_be_read_is_named(streaming: Laptop, code: str) -> None:
    said = streaming.execute(TASK + code)
    assert "REFUSED" in said
    assert REFUSED[code] in said


def test_predictions_of_streams_come_into_the_inference_log(streaming: Laptop) -> None:
    there = len(scored(streaming))
    for _ in range(2):
        done = streaming.run("monitoring", FIRST, "--only", "collect")
        assert done.returncode == 0, done.stdout + done.stderr
    (row,) = streaming.sql(
        f"SELECT count(*) AS n, count(DISTINCT row_id) AS ids FROM {SCHEMA}.inference_log "
        "WHERE source = 'stream'"
    )
    assert int(row["n"]) == int(row["ids"]) == there
