"""Each message of a topic is scored and answered once, also if runs are killed."""

import json
import threading
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

def land_and_end(table, append=streams.append_batch):
    return lambda rows, batch: (append(table)(rows, batch), end())

def promote():
    one = registry.get_model_version("{MODEL}", "1")
    two = registry.create_model_version("{MODEL}", one.source, one.run_id).version
    registry.set_model_version_tag("{MODEL}", two, "model_validation_status", "PASSED")
    registry.set_registered_model_alias("{MODEL}", "Champion", two)
"""
# Runs in order. The first are killed: after the broker was read and before the offset is recorded;
# after a micro-batch was scored and before the reply; after the reply. Then a new version becomes
# Champion, and a run completes.
RUNS = [
    "streams.append_batch = land_and_end",
    "stream_inference.send = end",
    "stream_inference.forget_batch = end",
]
# Invalid messages: no JSON, no object, null, another object, a row without its key.
POISON = [b"{bad", b"[1, 2]", None, b'{"other": 1}', b'{"carrier": "AA"}']


class Broker:
    """A broker in this process."""

    def __init__(self) -> None:
        self.producer = Producer(
            {"bootstrap.servers": "unused", "test.mock.num.brokers": "1", "log_level": "0"}
        )
        (broker,) = self.producer.list_topics(timeout=10).brokers.values()
        self.servers = f"{broker.host}:{broker.port}"
        self.read_messages: dict[str, dict[str, Any]] = {}
        self.over = threading.Event()

    def send(self, topic: str, values: list[bytes | None]) -> None:
        for number, value in enumerate(values):
            self.producer.produce(topic, value, partition=number % 4)
            self.producer.poll(0)
        assert self.producer.flush(60) == 0

    def read(self, topic: str) -> None:
        """Collect the messages of a topic by key, because the broker does not retain them."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.servers,
                "group.id": "test",
                "auto.offset.reset": "earliest",
                "topic.metadata.refresh.interval.ms": "200",
                "log_level": "0",
            }
        )
        consumer.subscribe([topic])
        while not self.over.is_set():
            for message in consumer.consume(10_000, timeout=0.2):
                key, value = message.key(), message.value()
                if message.error() is None and key is not None and value is not None:
                    self.read_messages[key.decode()] = json.loads(value)
        consumer.close()

    def await_messages(self, wanted: int) -> dict[str, dict[str, Any]]:
        """Wait for a number of keys, and return the collected messages."""
        until = time.monotonic() + 60
        while time.monotonic() < until and len(self.read_messages) < wanted:
            time.sleep(0.2)
        return dict(self.read_messages)


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """Yield a broker whose topic `predictions` is read continuously."""
    broker = Broker()
    reading = threading.Thread(target=broker.read, args=("predictions",))
    reading.start()
    yield broker
    broker.over.set()
    reading.join()


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory, trained_state: Path) -> Iterator[Laptop]:
    """Yield a workspace with a Champion and a volume of checkpoints."""
    with open_copy(trained_state, tmp_path_factory.mktemp("streaming")) as laptop:
        laptop.sql(f"CREATE VOLUME IF NOT EXISTS {SCHEMA}.checkpoints")
        yield laptop


# The broker retains 5 MiB of a partition: more is sent between runs.
@pytest.mark.parametrize(
    ("messages", "at_once"),
    [(400, 100), pytest.param(200_000, 10_000, marks=pytest.mark.nightly)],
    ids=["few", "many"],
)
def test_messages_are_scored_once_each_and_replied_to(
    streaming: Laptop, broker: Broker, messages: int, at_once: int
) -> None:
    rows = streaming.sql(f"SELECT * FROM {SCHEMA}.{SPINE.name} LIMIT 5000")
    values: list[bytes | None] = [
        json.dumps({**rows[number % len(rows)], KEY: f"{messages}-{number:06}"}).encode()
        for number in range(messages)
    ]
    part = messages // 4
    parts = [values[at : at + part] for at in range(0, messages, part)]
    scored = f"{SCHEMA}.stream_predictions WHERE {KEY} LIKE '{messages}-%'"
    score = f"score('{broker.servers}', {at_once})"
    broker.read_messages.clear()
    for sent, run in zip(parts, RUNS, strict=False):
        broker.send("flights", sent)
        with pytest.raises(AssertionError, match="cut"):
            streaming.execute(f"{TASK}\n{run}\n{score}")
    (before,) = streaming.sql(f"SELECT count(*) AS n FROM {scored}")
    assert 0 < int(before["n"]) < messages
    broker.send("flights", [*parts[-1], *POISON, *parts[-1][: part // 5]])
    began = time.monotonic()
    said = streaming.execute(f"{TASK}\npromote()\n{score}")
    taken = time.monotonic() - began
    replied = broker.await_messages(messages)
    rest = messages - int(before["n"])
    print(f"{rest:,} rows in {taken:.0f} s, {rest / taken:,.0f} a second")
    assert f"{rest:,} predictions added" in said
    by_version = streaming.sql(
        f"SELECT model_version, count(*) AS n, count(DISTINCT {KEY}) AS apart, "
        f"sum(prediction) AS total FROM {scored} GROUP BY 1 ORDER BY 1"
    )
    assert [int(row["n"]) for row in by_version] == [int(before["n"]), rest]
    assert [int(row["apart"]) for row in by_version] == [int(before["n"]), rest]
    assert len(replied) == messages
    for row in by_version:
        told = [each for each in replied.values() if each["model_version"] == row["model_version"]]
        assert len(told) == int(row["n"])
        assert sum(each["prediction"] for each in told) == pytest.approx(float(row["total"]))


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
            assert row["reason"] == f"not a JSON object with a column of {SPINE.name}"
            assert row["row_key"].startswith("flights/")
