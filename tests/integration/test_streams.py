"""The deployed stream scores each arriving row once."""

import pytest

from flight_delays.config.streaming import load_streaming
from flight_delays.problem import PROBLEM
from flight_delays.spec.inference_log import PREDICTIONS, STREAM_PREDICTIONS

from .conftest import Deployment
from .runs import Runs

ROWS = 50
JOB = "stream_inference"


def test_rows_that_arrive_are_scored(
    deployment: Deployment, runs: Runs, figures: dict[str, str]
) -> None:
    table = load_streaming([source.name for source in PROBLEM.sources]).requests.table
    assert table, "conf/streaming.yml names a topic: fill it, and look for its rows here"
    arriving = table if "." in table else f"{deployment.schema}.{table}"
    spine, keys = f"{deployment.source}.{PROBLEM.spine.source}", ", ".join(PROBLEM.keys)
    asked = f"SELECT count(DISTINCT {keys}) AS n FROM {arriving}"
    deployment.sql(f"CREATE TABLE IF NOT EXISTS {arriving} AS SELECT * FROM {spine} WHERE FALSE")
    # The schema may have rows of earlier tests, which are not scored again.
    if JOB not in runs.started:
        (before,) = deployment.sql(asked)
        new = (
            f"SELECT DISTINCT {keys} FROM {deployment.schema}.{PREDICTIONS} p "
            f"LEFT ANTI JOIN {arriving} a ON {match('p', 'a')} ORDER BY {keys} LIMIT {ROWS}"
        )
        deployment.sql(
            f"INSERT INTO {arriving} SELECT s.* FROM {spine} s "
            f"LEFT SEMI JOIN ({new}) n ON {match('s', 'n')}"
        )
        (after,) = deployment.sql(asked)
        if after == before:
            pytest.skip(f"all rows of {PREDICTIONS} were asked before: run batch_inference")
    ended = runs.finish(JOB, as_of=deployment.parameters["as_of"] or "")
    assert ended is not None
    seconds = ((ended.end_time or 0) - (ended.start_time or 0)) / 1000
    figures["stream_inference, seconds"] = f"{seconds:.0f}"
    (wanted,) = deployment.sql(asked)
    (found,) = deployment.sql(
        f"SELECT count(*) AS rows, count(DISTINCT {keys}) AS apart, "
        f"count_if(prediction IS NULL) AS unscored "
        f"FROM {deployment.schema}.{STREAM_PREDICTIONS} s "
        f"LEFT SEMI JOIN {arriving} a ON {match('s', 'a')}"
    )
    assert {name: int(value) for name, value in found.items()} == {
        "rows": int(wanted["n"]),
        "apart": int(wanted["n"]),
        "unscored": 0,
    }


def match(one: str, other: str) -> str:
    """Return the SQL join condition of two tables by key."""
    return " AND ".join(f"{one}.{key} = {other}.{key}" for key in PROBLEM.keys)
