"""The streaming jobs of the bundle."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flight_delays.problem import PROBLEM
from flight_delays.spec.inference_log import PREDICTIONS, STREAM_PREDICTIONS

from tests.conftest import SCHEMA, Laptop, open_copy
from tests.problem.instants import FIRST

KEYS = ", ".join(PROBLEM.keys)
SAME = " AND ".join(f"s.{key} = a.{key}" for key in PROBLEM.keys)


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory, trained_state: Path) -> Iterator[Laptop]:
    """Yield a workspace with a Champion and empty streams."""
    with open_copy(trained_state, tmp_path_factory.mktemp("streaming")) as laptop:
        yield laptop


def test_stream_scores_each_row_once(streaming: Laptop) -> None:
    streaming.sql(
        f"CREATE TABLE {SCHEMA}.stream_requests AS "
        f"SELECT s.* FROM {SCHEMA}.{PROBLEM.spine.source} s "
        f"LEFT SEMI JOIN (SELECT {KEYS} FROM {SCHEMA}.{PREDICTIONS} LIMIT 20) a ON {SAME}"
    )
    assert "20 predictions added" in streaming.succeed("stream_inference", FIRST)
    (row,) = streaming.sql(
        f"SELECT count(*) AS rows, count(DISTINCT {KEYS}) AS apart "
        f"FROM {SCHEMA}.{STREAM_PREDICTIONS}"
    )
    assert int(row["rows"]) == int(row["apart"]) == 20
