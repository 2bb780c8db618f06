"""Kafka through pyspark's own readers and writers, at a broker of this process."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from laptop.connection import Connection
from laptop.engine.session import connect
from laptop.streaming import commands
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.connect.client import SparkConnectClient
from pyspark.sql.streaming.query import StreamingQuery

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
        session = cast("SparkSession", connect(there.spark))
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
    # Partitions that are new to a query are read from their first message.
    broker.send(f"{topic}_new", "n0", partition=3)
    other.run("subscribe", subscribePattern=f"{topic}.*")
    assert other.found()[2:] == [["n0", 1]]


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


def test_a_stream_stops_at_a_broker_that_lacks_its_messages(
    streams: Streams, broker: Broker, topic: str
) -> None:
    broker.send(topic, "a0", "a1", "a2")
    streams.run()
    other = Broker()
    streams.options["kafka.bootstrap.servers"] = other.servers
    with pytest.raises(Exception, match="UnknownTopicOrPartitionException"):
        streams.run(failOnDataLoss="false")
    other.send(topic, "b0")
    with pytest.raises(Exception, match="PARTITION_OFFSET_CHANGED"):
        streams.run()
    # As in Spark, it goes on behind what is there.
    streams.run(failOnDataLoss="false")
    other.send(topic, "b1")
    streams.run()
    assert streams.found()[3:] == [["b1", 2]]


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


MOST = "maxOffsetsPerTrigger"
# What a reader refuses, whether it streams or not: options that are left out or given, and why.
READS: list[tuple[list[str], dict[str, Any], str]] = [
    (["subscribe"], {}, "One of the following options must be specified for Kafka source: subscr"),
    ([], {"assign": "{}"}, "Only one of the following options can be specified for Kafka source"),
    ([], {"subscribe": " , "}, "No topics to subscribe to as specified value for option 'subscri"),
    (["subscribe"], {"assign": "t"}, "No topicpartitions to assign as specified value for option"),
    (["kafka.bootstrap.servers"], {}, "Option 'kafka.bootstrap.servers' must be specified for"),
    ([], {"kafka.auto.offset.reset": "none"}, "Kafka option 'auto.offset.reset' is not supported"),
    ([], {"kafka.enable.auto.commit": "true"}, "'enable.auto.commit' is not supported"),
    (
        [],
        {"kafka.sasl.mechanism": "PLAIN"},
        "'kafka.sasl.mechanism' is not supported on the laptop",
    ),
    (
        [],
        {"kafka.security.protocol": "SSL"},
        "'kafka.security.protocol' is not supported on the laptop",
    ),
    ([], {"databricks.serviceCredential": "c"}, "reached without authentication or encryption"),
    (
        [],
        {"includeHeaders": "true"},
        "'includeHeaders' is not supported on the laptop: leave it out",
    ),
    (
        [],
        {"startingTimestamp": "1"},
        "'startingtimestamp' is not supported on the laptop: use startingOff",
    ),
    ([], {"startingOffsets": "first"}, 'Expected e.g. {"topicA":{"0":23,"1":-1},"topicB":{"0":'),
    ([], {MOST: "0"}, "'maxoffsetspertrigger' takes a number above 0; got '0'"),
]
STREAMS: list[tuple[list[str], dict[str, Any], str]] = [
    ([], {"endingOffsets": "latest"}, "ending offset not valid in streaming queries"),
    ([], {"subscribe": "missing"}, "UnknownTopicOrPartitionException: Topic 'missing' is not on"),
    ([], {"begin": '{"missing": {"0": 1}}'}, "[KAFKA_START_OFFSET_DOES_NOT_MATCH_ASSIGNED]"),
    ([], {"kafka.no.such": "1"}, 'No such configuration property: "no.such"'),
]
BATCHES: list[tuple[list[str], dict[str, Any], str]] = [
    ([], {"startingOffsets": "latest"}, "starting offset can't be latest for batch queries on"),
    ([], {"endingOffsets": "earliest"}, "ending offset can't be earliest for batch queries on"),
    ([], {"subscribe": "missing"}, "UnknownTopicOrPartitionException: Topic 'missing' is not on"),
]


def test_what_a_reader_cannot_do_is_refused(streams: Streams, broker: Broker, topic: str) -> None:
    broker.send(topic, "a0")
    asked: list[tuple[Any, Any]] = [(streams.read, case) for case in READS + BATCHES]
    asked += [(streams.run, case) for case in READS + STREAMS]
    missed = []
    for ask, (left_out, options, message) in asked:
        said = "nothing"
        try:
            found = ask(*left_out, **options)
            if isinstance(found, DataFrame):
                found.collect()
        except Exception as error:
            said = str(error)
        if message not in said:
            missed.append((message, said))
    assert not missed
    with pytest.raises(Exception, match="Kafka source has a fixed schema"):
        streams.spark.read.format("kafka").schema("value STRING").options(
            **streams.options
        ).load().collect()


def test_a_stream_is_known_as_one_and_not_collected(streams: Streams) -> None:
    rows = streams.spark.readStream.format("kafka").options(**streams.options).load()
    assert rows.isStreaming
    assert rows.select(rows.value.cast("string").alias("text"), "offset").dtypes == [
        ("text", "string"),
        ("offset", "bigint"),
    ]
    with pytest.raises(Exception, match="must be executed with writeStream"):
        rows.collect()


ROW = "SELECT 'k' AS key, 'v' AS value"
WRITES: list[tuple[str, dict[str, Any], str]] = [
    ("SELECT 'v' AS text", {}, "Required attribute 'value' not found"),
    ("SELECT 1 AS value", {}, "value attribute unsupported type int. value must be a(n) string or"),
    ("SELECT 1 AS key, 'v' AS value", {}, "key attribute unsupported type int. key must be a(n) s"),
    (ROW, {"topic": None}, "topic option required when no 'topic' attribute is present. Use the t"),
    (f"{ROW}, CAST(NULL AS STRING) AS topic", {"topic": None}, "[KAFKA_NULL_TOPIC_IN_DATA]"),
    (
        f"{ROW}, array() AS headers",
        {},
        "Column 'headers' of a Kafka message is not supported on the laptop",
    ),
    (ROW, {"mode": "overwrite"}, "Save mode Overwrite not allowed for Kafka. Allowed save modes"),
    (ROW, {"kafka.key.serializer": "S"}, "Kafka option 'key.serializer' is not supported as keys"),
    (ROW, {"kafka.bootstrap.servers": NOWHERE}, f"No Kafka broker answers at '{NOWHERE}'"),
    (f"{ROW}, 99 AS partition", {}, "Unable to produce message: Local: Unknown partition"),
    ("SELECT repeat('x', 2000000) AS value", {}, "Broker: Message size too large"),
]


def test_what_a_writer_cannot_do_is_refused(streams: Streams, broker: Broker, topic: str) -> None:
    broker.send(topic, "a0")
    missed = []
    for query, options, message in WRITES:
        given = {**streams.options, "topic": topic, **options}
        mode = given.pop("mode", "append")
        kept = {key: value for key, value in given.items() if value is not None}
        said = "nothing"
        try:
            rows = streams.spark.sql(query)
            rows.write.format("kafka").mode(mode).options(**kept).save()
        except Exception as error:
            said = str(error)
        if message not in said:
            missed.append((message, said))
    assert not missed
    assert [row.value for row in streams.read().collect()] == [b"a0"]


def test_the_command_serves_a_broker_until_it_is_ended(streams: Streams, toy: Toy) -> None:
    command = toy.start("kafka")
    try:
        assert command.stdout is not None
        servers = command.stdout.readline().removeprefix("bootstrap.servers ").strip()
        streams.options["kafka.bootstrap.servers"] = servers
        rows = streams.spark.sql("SELECT 'v' AS value")
        given = {"kafka.bootstrap.servers": servers, "topic": streams.topic}
        rows.write.format("kafka").options(**given).save()
        streams.run()
        assert streams.found() == [["v", 0]]
    finally:
        command.terminate()
    _, error = command.communicate(timeout=30)
    assert command.returncode == 0, error
    assert "about 5 MiB of each partition" in error


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, toy: Toy) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    shown = toy.call("kafka")
    assert shown.status == 1
    assert "pip install 'laptop[kafka]'" in shown.err
