"""Messages of a topic are scored once each, and replied to, whatever is killed meanwhile."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from flight_delays.problem import PROBLEM

from tests.conftest import MODEL, SCHEMA, Laptop, open_copy
from tests.problem.instants import FIRST

(KEY,) = PROBLEM.keys
SPINE = PROBLEM.require_source(PROBLEM.spine.source)

TASK = f"""
import os
from flight_delays.config.streaming import Streaming
from flight_delays.lakehouse import streams
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.tasks import stream_inference

lakehouse = Lakehouse()
spark, registry = lakehouse.spark, lakehouse.registry
scoring, sending = stream_inference.score_batch, stream_inference.send

def score(servers, rows):
    parameters = stream_inference.StreamParameters.parse([
        "--model={MODEL}", "--source={SCHEMA}", "--target={SCHEMA}",
        "--volume={SCHEMA}.checkpoints", "--as_of={FIRST}", "--scored_at=",
        f"--kafka_servers={{servers}}",
    ])
    stream_inference.run(parameters, lakehouse, Streaming(
        requests={{"topic": "flights"}}, replies={{"topic": "predictions"}}, files_at_once=1,
        rows_at_once=rows, settle_seconds=0, minutes=0,
    ))

def end(*_, **__):
    print("cut", flush=True)
    os._exit(1)

def promote():
    one = registry.get_model_version("{MODEL}", "1")
    two = registry.create_model_version("{MODEL}", one.source, one.run_id).version
    registry.set_registered_model_alias("{MODEL}", "Champion", two)
"""
# The runs that are killed, one after another: after the broker was read and before that is
# recorded; after a micro-batch was scored and before it is replied to; after the reply. Then a new
# version takes over, and a run is not killed.
RUNS = [
    "streams.replace_batch = lambda table: end",
    "stream_inference.send = end",
    "stream_inference.forget_batch = end",
]
# What is sent besides: no JSON, no object, nothing, another object, a row without its key.
POISON = [b"{bad", b"[1, 2]", None, b'{"other": 1}', b'{"carrier": "AA"}']


class Broker:
    """A broker of this process."""

    def __init__(self) -> None:
        self.producer = Producer(
            {"bootstrap.servers": "unused", "test.mock.num.brokers": "1", "log_level": "0"}
        )
        (broker,) = self.producer.list_topics(timeout=10).brokers.values()
        self.servers = f"{broker.host}:{broker.port}"

    def send(self, topic: str, values: list[bytes | None]) -> None:
        for number, value in enumerate(values):
            self.producer.produce(topic, value, partition=number % 4)
            self.producer.poll(0)
        assert self.producer.flush(60) == 0

    def read(self, topic: str, wanted: int) -> list[tuple[str, dict[str, Any]]]:
        """Return the messages of a topic, key and value, once it has so many keys."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.servers,
                "group.id": f"test-{time.monotonic()}",
                "auto.offset.reset": "earliest",
            }
        )
        consumer.subscribe([topic])
        found: list[tuple[str, dict[str, Any]]] = []
        until = time.monotonic() + 60
        while time.monotonic() < until and len({key for key, _ in found}) < wanted:
            for message in consumer.consume(10_000, timeout=1):
                key, value = message.key(), message.value()
                assert key is not None
                assert value is not None
                found.append((key.decode(), json.loads(value)))
        consumer.close()
        return found


@pytest.fixture(scope="module")
def broker() -> Broker:
    return Broker()


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory, trained_state: Path) -> Iterator[Laptop]:
    """Yield a workspace with a Champion and a volume of checkpoints."""
    with open_copy(trained_state, tmp_path_factory.mktemp("streaming")) as laptop:
        laptop.sql(f"CREATE VOLUME IF NOT EXISTS {SCHEMA}.checkpoints")
        yield laptop


@pytest.mark.parametrize(
    ("messages", "at_once"),
    [(400, 100), pytest.param(200_000, 20_000, marks=pytest.mark.nightly)],
    ids=["few", "many"],
)
def test_messages_are_scored_once_each_and_replied_to(
    streaming: Laptop, broker: Broker, messages: int, at_once: int
) -> None:
    rows = streaming.sql(f"SELECT * FROM {SCHEMA}.{SPINE.name} LIMIT {min(messages, 20_000)}")
    keys = [f"{messages}-{number}" for number in range(messages)]
    values = [
        json.dumps({**rows[number % len(rows)], KEY: key}).encode()
        for number, key in enumerate(keys)
    ]
    broker.send("flights", [*values, *POISON, *values[: messages // 10]])
    scored = f"{SCHEMA}.stream_predictions WHERE {KEY} LIKE '{messages}-%'"
    score = f"score('{broker.servers}', {at_once})"
    for run in RUNS:
        with pytest.raises(AssertionError, match="cut"):
            streaming.execute(f"{TASK}\n{run}\n{score}")
    (before,) = streaming.sql(f"SELECT count(*) AS n FROM {scored}")
    assert 0 < int(before["n"]) < messages
    print(streaming.execute(f"{TASK}\npromote()\n{score}"))
    found = streaming.sql(f"SELECT {KEY}, model_version, prediction FROM {scored}")
    assert sorted(row[KEY] for row in found) == sorted(keys)
    versions = [row["model_version"] for row in found]
    assert versions.count(1) == int(before["n"])
    assert versions.count(2) == messages - int(before["n"])
    replied = dict(broker.read("predictions", messages))
    assert {key: said["prediction"] for key, said in replied.items()} == {
        row[KEY]: row["prediction"] for row in found
    }
    assert {key: said["model_version"] for key, said in replied.items()} == {
        row[KEY]: row["model_version"] for row in found
    }


def test_what_is_no_row_is_kept_with_where_it_came_from(streaming: Laptop) -> None:
    found = streaming.sql(
        f"SELECT row_key, reason, content FROM {SCHEMA}.quarantine WHERE source = 'requests' "
        "ORDER BY content"
    )
    assert sorted({row["content"] for row in found}) == [
        "[1, 2]",
        "null",
        '{"carrier":"AA"}',
        '{"other": 1}',
        "{bad",
    ]
    for row in found:
        if row["content"] == '{"carrier":"AA"}':
            assert f"{KEY} is missing" in row["reason"]
        else:
            assert row["reason"] == f"no JSON object with a column of {SPINE.name}"
            assert row["row_key"].startswith("flights/")
