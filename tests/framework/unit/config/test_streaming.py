"""conf/streaming.yml: each stream is a table or a topic."""

from typing import Any

import pytest
from pydantic import ValidationError

from flight_delays.config.streaming import Streaming, load_streaming
from flight_delays.lakehouse.streams import Broker, StreamError
from flight_delays.problem import PROBLEM

GIVEN = {
    "requests": {"table": "requests"},
    "files_at_once": 1,
    "rows_at_once": 1,
    "settle_seconds": 0,
    "minutes": 0,
}


def read(**changed: Any) -> Streaming:
    return Streaming.model_validate({**GIVEN, **changed})


def test_the_file_takes_rows_from_a_table_and_nothing_else() -> None:
    found = load_streaming([source.name for source in PROBLEM.sources])
    assert found.requests.table
    assert found.replies is None
    assert found.sources == {}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"requests": {}}, "give either table or topic"),
        ({"requests": {"table": "a", "topic": "a"}}, "give either table or topic"),
        ({"requests": {"table": "a.b"}}, "should match pattern"),
        ({"requests": {"table": "a; DROP TABLE a"}}, "should match pattern"),
        ({"requests": {"topic": "a b"}}, "should match pattern"),
        ({"replies": {"table": "a"}}, "Field required"),
        ({"rows_at_once": 0}, "greater than or equal to 1"),
        ({"settle_seconds": -1}, "greater than or equal to 0"),
        # Such a run would exceed the tasks' timeout of two hours.
        ({"minutes": 101}, "less than or equal to 100"),
    ],
)
def test_what_is_not_allowed_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read(**changed)


def test_a_broker_has_an_address() -> None:
    with pytest.raises(StreamError, match="Set the variable kafka_servers"):
        _ = Broker().options
    assert Broker("a:9092").options == {"kafka.bootstrap.servers": "a:9092"}
    assert Broker("a:9092", "own").options["databricks.serviceCredential"] == "own"
