"""Kafka through pyspark's own readers and writers, at a broker of this process."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from laptop.connection import Connection
from laptop.engine.session import connect
from laptop.streaming import commands
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.connect.client import SparkConnectClient
from pyspark.sql.streaming import StreamingQuery

from ...conftest import Toy

# More than the broker keeps of a partition.
OVERRUN = 6 * 2**20
NOWHERE = "127.0.0.1:9"
LOST = "COULD_NOT_READ_OFFSET_RANGE"


class Broker:
    """A broker, and what sends messages to it."""

    def __init__(self) -> None:
        self.producer = Producer(
            {"bootstrap.servers": "unused", "test.mock.num.brokers": "1", "log_level": "0"}
        )
        (broker,) = self.producer.list_topics(timeout=10).brokers.values()
        self.servers = f"{broker.host}:{broker.port}"

    def send(self, topic: str, *values: str | bytes, partition: int = 0) -> None:
        for value in values:
            self.producer.produce(topic, value, key="k", partition=partition)
        assert self.producer.flush(10) == 0

    def overrun(self, topic: str) -> int:
        """Send so much that the first messages are gone; return the first that is left."""
        size = 2**15
        self.send(topic, *[b"x" * size] * (OVERRUN // size))
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": "test"})
        low, _ = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
        consumer.close()
        assert low > 0
        return int(low)


class Streams:
    """Starts queries from one topic to one table."""

    def __init__(self, spark: SparkSession, broker: Broker, topic: str) -> None:
        self.spark = spark
        self.topic = topic
        self.options = {"kafka.bootstrap.servers": broker.servers, "subscribe": topic}
        spark.sql(f"CREATE TABLE dev.kafka.{topic} (value STRING, offset BIGINT, batch BIGINT)")

    def read(self, *left_out: str, **options: Any) -> DataFrame:
        kept = {k: v for k, v in {**self.options, **options}.items() if k not in left_out}
        return self.spark.read.format("kafka").options(**kept).load()

    def run(
        self, *left_out: str, sink: Any = None, begin: str = "earliest", **options: Any
    ) -> StreamingQuery:
        given = {**self.options, "startingOffsets": begin, **options}
        kept = {k: v for k, v in given.items() if k not in left_out}
        rows = self.spark.readStream.format("kafka").options(**kept).load()
        rows = rows.selectExpr("CAST(value AS STRING) AS value", "offset").where("value <> ''")
        target = f"dev.kafka.{self.topic}"

        def write(rows: DataFrame, batch: int) -> None:
            rows.createOrReplaceTempView("found")
            rows.sparkSession.sql(
                f"INSERT INTO {target} SELECT left(value, 9), offset, {batch} FROM found"
            )

        writer = rows.writeStream.foreachBatch(sink or write).trigger(availableNow=True)
        query = writer.option("checkpointLocation", f"/Volumes/dev/kafka/own/{self.topic}").start()
        query.awaitTermination()
        return query

    def found(self) -> list[list[Any]]:
        rows = self.spark.table(f"dev.kafka.{self.topic}").orderBy("batch", "value", "offset")
        return [[row.value, row.batch] for row in rows.collect()]


@pytest.fixture(scope="module")
def broker() -> Broker:
    return Broker()


@pytest.fixture(scope="module")
def spark(there: Connection) -> Iterator[SparkSession]:
    """Yield a session whose streams this process runs, as a task does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_REMOTE", there.spark)
        patch.setenv("DATABRICKS_HOST", there.address)
        patch.setenv("DATABRICKS_TOKEN", there.token)
        # Taken back when the module is through.
        patch.setattr(SparkConnectClient, "execute_command", SparkConnectClient.execute_command)
        commands.install()
        session = connect(there.spark)
        session.sql("CREATE SCHEMA IF NOT EXISTS dev.kafka")
        session.sql("CREATE VOLUME IF NOT EXISTS dev.kafka.own")
        yield session
        session.stop()


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    name: str = request.node.name
    return name.partition("[")[0].removeprefix("test_")[:40]


@pytest.fixture
def streams(spark: SparkSession, broker: Broker, topic: str) -> Streams:
    return Streams(spark, broker, topic)


def test_a_stream_reads_what_is_there_then_what_comes_and_nothing_twice(
    streams: Streams, broker: Broker, topic: str, toy: Toy
) -> None:
    broker.send(topic, "a0", "a1")
    broker.send(topic, "b0", partition=1)
    first = streams.run()
    assert (first.isActive, first.exception()) == (False, None)
    assert first.lastProgress is not None
    assert first.lastProgress["numInputRows"] == 3
    assert streams.run().lastProgress is None
    broker.send(topic, "a2")
    # Where a query begins is asked of new ones alone.
    streams.run(begin="latest")
    assert streams.found() == [["a0", 0], ["a1", 0], ["b0", 0], ["a2", 1]]
    (written,) = Path(toy.root, ".laptop").rglob(f"{topic}/offsets/1")
    offsets = {topic: {"0": 3, "1": 1, "2": 0, "3": 0}}
    assert json.loads(written.read_text().splitlines()[-1]) == offsets


def test_a_stream_begins_where_it_is_asked_to(streams: Streams, broker: Broker, topic: str) -> None:
    broker.send(topic, "a0", "a1", "a2")
    # By default with what comes, of which the first batch has none.
    streams.run("startingOffsets")
    broker.send(topic, "a3")
    streams.run()
    assert streams.found() == [["a3", 1]]
    other = Streams(streams.spark, broker, f"{topic}_given")
    begin = {topic: {"0": 2, "1": -1, "2": -2, "3": -2}}
    other.run("subscribe", begin=json.dumps(begin), subscribePattern=f"{topic[:-1]}.")
    assert other.found() == [["a2", 0], ["a3", 0]]


DIE = """
import os, signal, sys
from databricks.sdk.runtime import spark

options = {{"kafka.bootstrap.servers": "{servers}", "subscribe": "{topic}"}}
options |= {{"startingOffsets": "earliest", "maxOffsetsPerTrigger": 2}}


def die(rows, batch):
    rows.createOrReplaceTempView("found")
    rows.sparkSession.sql(
        f"INSERT INTO dev.kafka.{topic} SELECT CAST(value AS STRING), offset, {{batch}} FROM found"
    )
    if batch == 1:
        os.kill(os.getpid(), signal.SIGKILL)


rows = spark.readStream.format("kafka").options(**options).load()
writer = rows.writeStream.foreachBatch(die).trigger(availableNow=True)
writer.option("checkpointLocation", "/Volumes/dev/kafka/own/{topic}").start().awaitTermination()
"""


def test_a_batch_that_was_killed_is_read_again_as_it_was(
    streams: Streams, broker: Broker, topic: str, toy: Toy
) -> None:
    broker.send(topic, "a0", "a1", "a2")
    broker.send(topic, "b0", partition=1)
    code = DIE.format(servers=broker.servers, topic=topic)
    _, error = toy.start("exec", "--", sys.executable, "-c", code).communicate(timeout=300)
    # Two of three and one: by their share, and one of each at least.
    assert streams.found() == [["a0", 0], ["b0", 0], ["a1", 1], ["a2", 1]], error
    # A message that came meanwhile is none of the batch that is read again.
    broker.send(topic, "a3")
    streams.run()
    assert streams.found()[2:] == [["a1", 1], ["a1", 1], ["a2", 1], ["a2", 1], ["a3", 2]]


def test_micro_batches_share_what_was_there_at_the_start(
    streams: Streams, broker: Broker, topic: str
) -> None:
    broker.send(topic, *(f"a{at}" for at in range(8)))
    broker.send(topic, "b0", "b1", partition=1)
    servers = broker.servers

    def send_more(rows: DataFrame, batch: int) -> None:
        del rows, batch
        from confluent_kafka import Producer

        producer = Producer({"bootstrap.servers": servers})
        producer.produce(topic, "late", partition=2)
        producer.flush()

    query = streams.run(sink=send_more, maxOffsetsPerTrigger=5)
    assert [each["numInputRows"] for each in query.recentProgress] == [5, 5]
    assert streams.run().lastProgress is not None


def test_messages_that_are_gone_stop_a_stream_unless_they_may(
    streams: Streams, broker: Broker, topic: str
) -> None:
    broker.send(topic, "first")
    streams.run()
    low = broker.overrun(topic)
    with pytest.raises(Exception, match=LOST) as said:
        streams.run()
    assert "failOnDataLoss to false" in str(said.value)
    query = streams.run(failOnDataLoss="false")
    assert query.lastProgress is not None
    assert query.lastProgress["numInputRows"] == 1 + OVERRUN // 2**15 - low
    assert [value for value, _ in streams.found()[:2]] == ["first", "x" * 9]
    # A batch is read in the same way.
    begin = json.dumps({topic: {"0": 0}})
    whole = {"assign": json.dumps({topic: [0]}), "startingOffsets": begin}
    with pytest.raises(Exception, match=LOST):
        streams.read("subscribe", **whole).count()
    assert streams.read("subscribe", **whole, failOnDataLoss="false").count() == 193 - low


def test_rows_are_sent_and_read_back(streams: Streams, topic: str) -> None:
    rows = streams.spark.createDataFrame(
        [("k", "one", 0), (None, "two", 1), ("k", None, 0)],
        "key STRING, value STRING, partition INT",
    )
    servers = {"kafka.bootstrap.servers": streams.options["kafka.bootstrap.servers"]}
    rows.write.format("kafka").options(**servers, topic=topic).save()
    found = streams.read().orderBy("partition", "offset")
    assert [(each.key, each.value, each.partition, each.offset) for each in found.collect()] == [
        (b"k", b"one", 0, 0),
        (b"k", None, 0, 1),
        (None, b"two", 1, 0),
    ]
    assert found.dtypes == [
        ("key", "binary"),
        ("value", "binary"),
        ("topic", "string"),
        ("partition", "int"),
        ("offset", "bigint"),
        ("timestamp", "timestamp"),
        ("timestampType", "int"),
    ]
    assert found.selectExpr(
        "timestampType", "timestamp > '2020-01-01' AS is_late"
    ).distinct().collect() == [(0, True)]
    # By a column that names the topic, as bytes, of what another topic has.
    copied = found.selectExpr("value", f"'{topic}_copy' AS topic").where("value IS NOT NULL")
    copied.write.format("kafka").options(**servers).mode("append").save()
    copy = streams.read(subscribe=f"{topic}_copy")
    assert sorted(row.value for row in copy.collect()) == [b"one", b"two"]
    end = json.dumps({topic: {"0": 1, "1": 0, "2": 0, "3": 0}})
    assert streams.read(endingOffsets=end).count() == 1
