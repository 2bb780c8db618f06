"""Rows that arrive in a table are scored by the deployed stream, each once."""

from flight_delays.config.streaming import load_streaming
from flight_delays.problem import PROBLEM
from flight_delays.spec.inference_log import PREDICTIONS, STREAM_PREDICTIONS

from .conftest import Deployment
from .runs import Runs

ROWS = 50


def test_rows_that_arrive_are_scored(
    deployment: Deployment, runs: Runs, figures: dict[str, str]
) -> None:
    table = load_streaming([source.name for source in PROBLEM.sources]).requests.table
    assert table, "conf/streaming.yml names a topic: fill it, and look for its rows here"
    arriving = table if "." in table else f"{deployment.schema}.{table}"
    spine, keys = f"{deployment.source}.{PROBLEM.spine.source}", ", ".join(PROBLEM.keys)
    deployment.sql(f"CREATE TABLE IF NOT EXISTS {arriving} AS SELECT * FROM {spine} WHERE FALSE")
    same = " AND ".join(f"s.{key} = a.{key}" for key in PROBLEM.keys)
    asked = f"SELECT {keys} FROM {deployment.schema}.{PREDICTIONS} ORDER BY {keys} LIMIT {ROWS}"
    deployment.sql(
        f"INSERT INTO {arriving} SELECT s.* FROM {spine} s LEFT SEMI JOIN ({asked}) a ON {same}"
    )
    ended = runs.finish("stream_inference", as_of=deployment.parameters["as_of"] or "")
    assert ended is not None
    seconds = ((ended.end_time or 0) - (ended.start_time or 0)) / 1000
    figures["stream_inference, seconds"] = f"{seconds:.0f}"
    (found,) = deployment.sql(
        f"SELECT count(*) AS rows, count(DISTINCT {keys}) AS apart, "
        f"count_if(prediction IS NULL) AS unscored "
        f"FROM {deployment.schema}.{STREAM_PREDICTIONS} s LEFT SEMI JOIN ({asked}) a ON {same}"
    )
    assert {name: int(value) for name, value in found.items()} == {
        "rows": ROWS,
        "apart": ROWS,
        "unscored": 0,
    }
