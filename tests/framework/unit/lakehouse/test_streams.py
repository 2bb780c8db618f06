"""A micro-batch yields the first valid row of each key, unless too many rows are invalid."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from flight_delays.config.data_quality import Limits
from flight_delays.lakehouse import quarantine
from flight_delays.lakehouse.streams import (
    LANDED,
    StreamError,
    Taken,
    forget_batch,
    list_batches,
    take_batch,
)

from tests.framework.unit.spec.orders import RETURNS

NOW = datetime(2026, 6, 1, 10, tzinfo=UTC)
LIMITS = Limits(max_bad_rows=3, max_bad_share=0.1, max_age_hours=24)
COLUMNS = ", ".join(f"{name} {kind}" for name, kind in quarantine.COLUMNS.items())


def message(order: object, returned: object = 1.0, at: str = "2026-06-01T09:00:00") -> str:
    return json.dumps({"order_id": order, "returned": returned, "known_at": at})


class Stream:
    """A table of landed micro-batches."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark = spark
        for table, columns in (("landed", LANDED), ("kept", COLUMNS)):
            spark.sql(f"DROP TABLE IF EXISTS {table}")
            spark.sql(f"CREATE TABLE {table} ({columns}) USING DELTA LOCATION '{folder / table}'")

    def land(self, batch: int, *contents: str, offset: int = 0) -> None:
        rows = [(batch, f"returns/0/{at}", each) for at, each in enumerate(contents, offset)]
        self.spark.createDataFrame(rows, LANDED).createOrReplaceTempView("arriving")
        self.spark.sql("INSERT INTO landed SELECT * FROM arriving")

    def take(self, batch: int) -> Taken:
        return take_batch(self.spark, "landed", batch, RETURNS, "returns", "kept", LIMITS, NOW)

    def count(self, outcome: str) -> int:
        return self.spark.table("kept").where(f"outcome = '{outcome}'").count()


@pytest.fixture
def stream(spark: SparkSession, tmp_path: Path) -> Stream:
    return Stream(spark, tmp_path)


def values(taken: Taken) -> dict[int, float]:
    return {row.order_id: row.returned for row in taken.rows.collect()}


def test_of_a_key_the_first_valid_row_is_taken_and_the_others_are_no_bad_rows(
    stream: Stream,
) -> None:
    stream.land(0, message(2, 0.25), offset=10)
    stream.land(0, message(1, "x"), message(1, 0.5), message(1, 0.75), message(2, 0.5), offset=6)
    taken = stream.take(0)
    assert values(taken) == {1: 0.5, 2: 0.5}
    assert (taken.valid, taken.kept) == (4, 1)


def test_texts_of_one_value_do_not_contradict_each_other(stream: Stream) -> None:
    stream.land(0, message(1, 1), message("1", "1.0", "2026-06-01T09:00:00Z"))
    taken = stream.take(0)
    assert values(taken) == {1: 1.0}
    assert (taken.valid, taken.kept) == (2, 0)


def test_a_few_bad_rows_are_kept_apart(stream: Stream) -> None:
    stream.land(0, message(1), "{bad", message(None))
    taken = stream.take(0)
    assert values(taken) == {1: 1.0}
    assert (taken.kept, stream.count("left out")) == (2, 2)
    assert stream.take(0).kept == 0


def test_rows_landed_twice_by_a_killed_run_count_once(stream: Stream) -> None:
    for _ in range(2):
        stream.land(0, "1", "2", message(1))
    assert (stream.take(0).valid, stream.count("left out")) == (1, 2)


def renamed(order: int) -> str:
    return message(order, order).replace("order_id", "id")


def test_too_many_bad_rows_stop_the_stream_until_they_are_accepted(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.land(0, *map(renamed, range(4)))
    wanted = r"returns: 4 of 4 new rows are invalid \(100.00%\); limit: 3 rows or 10.00%. 4 x order"
    with pytest.raises(StreamError, match=wanted) as raised:
        stream.take(0)
    assert "DELETE FROM landed WHERE batch <= 0" in str(raised.value)
    assert (stream.count("refused"), stream.count("left out")) == (4, 0)
    assert list_batches(stream.spark, "landed") == [0]
    # Raise the limit.
    monkeypatch.setattr(f"{__name__}.LIMITS", LIMITS.model_copy(update={"max_bad_rows": 4}))
    assert (stream.take(0).valid, stream.count("left out")) == (0, 4)


def test_micro_batches_of_bad_rows_alone_wait_and_count_together(stream: Stream) -> None:
    for batch in range(3):
        stream.land(batch, renamed(batch), offset=batch)
        assert stream.take(batch).valid == 0
    stream.land(3, renamed(3), offset=3)
    with pytest.raises(StreamError, match="4 of 4 new rows"):
        stream.take(3)


def test_micro_batches_that_wait_are_forgotten_with_the_next_valid_row(stream: Stream) -> None:
    stream.land(0, renamed(0))
    stream.land(1, message(1), offset=1)
    assert stream.take(0).valid == 0
    assert values(stream.take(1)) == {1: 1.0}
    forget_batch(stream.spark, "landed", 1)
    assert list_batches(stream.spark, "landed") == []


def test_rows_that_waited_are_taken_once_the_rule_is_corrected(stream: Stream) -> None:
    stream.land(0, message(1, "x"), message(1, 0.5), message(2, 0.5))
    stream.land(1, message(2, 1.0), offset=3)
    assert values(stream.take(1)) == {1: 0.5, 2: 0.5}
