"""Streams: rows are landed in a table by micro-batches, then processed as batches and deleted.

The stream only writes to a table: clients of the platform cannot be pickled for `foreachBatch`.
After a kill a micro-batch may be landed twice, so processing is idempotent by key.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ..config.data_quality import Limits, SourceStats, find_violations
from ..config.streaming import Channel, Streaming
from ..spec.tables import Qualify, Source
from .errors import LakehouseError
from .quarantine import (
    COLUMNS,
    LEFT_OUT,
    REFUSED,
    SAME,
    count_reasons,
    describe_bad_rows,
    keep_bad_rows,
)
from .tables import create_table, require_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class StreamError(LakehouseError):
    """A stream cannot be read, has had no rows for too long, or too many invalid ones."""


LANDED = "batch BIGINT, place STRING, content STRING"
REASONS_SHOWN = 3


@dataclass(frozen=True)
class Broker:
    """Connection to Kafka.

    Attributes:
        servers: Bootstrap servers, `host:port`, separated by commas; empty without Kafka.
        credential: Unity Catalog service credential; empty for none.
    """

    servers: str = ""
    credential: str = ""

    @property
    def options(self) -> Mapping[str, str]:
        """Options of Spark's reader and writer; raises StreamError without servers."""
        if not self.servers:
            raise StreamError(
                "conf/streaming.yml names a topic, but the job has no broker. Set the variable "
                "kafka_servers of this target in databricks.yml, as host:9092."
            )
        options = {"kafka.bootstrap.servers": self.servers}
        if self.credential:
            options["databricks.serviceCredential"] = self.credential
        return options


def read_channel(
    spark: "SparkSession",
    channel: Channel,
    source: Source,
    qualify: Qualify,
    broker: Broker,
    streaming: Streaming,
) -> "DataFrame":
    """Return the rows of a channel, as a stream of `place` and `content`.

    Args:
        spark: The session.
        channel: The table or topic.
        source: Source of its rows.
        qualify: Turns the name of a table of the target's schema into its full name.
        broker: Connection to Kafka.
        streaming: Has the size of micro-batches.

    Raises:
        StreamError: No broker is configured, or the table lacks a column.
        TableMissingError: A table of another schema does not exist.
    """
    if channel.topic is not None:
        return read_topic(spark, broker, channel.topic, streaming.rows_at_once)
    table = str(channel.table)
    if "." in table:
        require_table(spark, table, "Correct its name in conf/streaming.yml, or have it made.")
    else:
        table = qualify(table)
        create_table(spark, table, source.schema)
    lacking = source.columns.keys() - spark.table(table).columns
    if lacking:
        raise StreamError(
            f"Table {table} lacks {', '.join(sorted(lacking))}: each row that arrives there has "
            f"the columns of the source {source.name}. Add them to the table."
        )
    return read_table(spark, table, source.columns, streaming.files_at_once)


def read_table(
    spark: "SparkSession", table: str, columns: Collection[str], files: int
) -> "DataFrame":
    """Return the rows inserted into a table as a stream; updates and deletes are ignored.

    Args:
        spark: The session.
        table: Its full name.
        columns: The columns to read.
        files: Maximum number of files in a micro-batch.
    """
    listed = ", ".join(f"CAST({column} AS STRING) AS {column}" for column in columns)
    options = {"maxFilesPerTrigger": str(files), "skipChangeCommits": "true"}
    return (
        spark.readStream.options(**options)
        .table(table)
        .selectExpr("CAST(NULL AS STRING) AS place", f"to_json(struct({listed})) AS content")
    )


def read_topic(spark: "SparkSession", broker: Broker, topic: str, rows: int) -> "DataFrame":
    """Return the messages of a topic as a stream, from the earliest offset.

    Args:
        spark: The session.
        broker: Connection to Kafka.
        topic: Its name.
        rows: Maximum number of messages in a micro-batch.
    """
    options = {"subscribe": topic, "startingOffsets": "earliest", "maxOffsetsPerTrigger": str(rows)}
    return (
        spark.readStream.format("kafka")
        .options(**broker.options, **options)
        .load()
        .selectExpr(
            "concat_ws('/', topic, CAST(partition AS STRING), CAST(offset AS STRING)) AS place",
            "CAST(value AS STRING) AS content",
        )
    )


def land(arriving: "DataFrame", spark: "SparkSession", table: str, checkpoint: str) -> None:
    """Land the rows that arrived since the last call, by micro-batches.

    Args:
        arriving: A stream of `place` and `content`.
        spark: The session.
        table: Full name of the landing table; it is created if it does not exist.
        checkpoint: Checkpoint folder in a volume.
    """
    create_table(spark, table, LANDED)
    query = (
        arriving.writeStream.foreachBatch(append_batch(table))
        .option("checkpointLocation", checkpoint)
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()


def append_batch(table: str) -> "Callable[[DataFrame, int], None]":
    """Return a function that appends a micro-batch to a table.

    It is a closure, as the project may not be installed where it runs.
    """

    def write(rows: "DataFrame", batch: int) -> None:
        numbered = rows.selectExpr(f"CAST({batch} AS BIGINT) AS batch", "place", "content")
        numbered.write.format("delta").mode("append").saveAsTable(table)

    return write


def list_batches(spark: "SparkSession", table: str) -> list[int]:
    """Return the landed micro-batches that are not yet processed, oldest first."""
    rows = spark.sql(f"SELECT DISTINCT batch FROM {table} ORDER BY batch").collect()
    return [row.batch for row in rows]


def forget_batch(spark: "SparkSession", table: str, batch: int) -> None:
    """Delete a processed micro-batch, and those before it, from the landing table."""
    spark.sql(f"DELETE FROM {table} WHERE batch <= {batch}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Taken:
    """The rows of a micro-batch, and of unprocessed ones before it.

    Attributes:
        rows: The first valid row of each key.
        valid: Number of valid rows. A micro-batch without any is kept and checked with the next, so
            that the limits also apply to streams of few rows.
        kept: Number of rows added to quarantine.
    """

    rows: "DataFrame"
    valid: int
    kept: int


def take_batch(
    spark: "SparkSession",
    table: str,
    batch: int,
    source: Source,
    name: str,
    quarantine: str,
    limits: Limits,
    as_of: datetime,
) -> Taken:
    """Return the valid rows of a micro-batch, and write the others to quarantine.

    Args:
        spark: The session.
        table: Full name of the landing table.
        batch: Number of the micro-batch.
        source: Source of its rows.
        name: Name of the stream in quarantine.
        quarantine: Full name of the quarantine table.
        limits: Limits of invalid rows.
        as_of: The present.

    Raises:
        StreamError: Too many rows are invalid; the micro-batch stays in the landing table.
    """
    shape = ", ".join(f"{column} STRING" for column in source.columns)
    landed = spark.sql(
        f"SELECT batch, place, content, from_json(content, '{shape}') AS said FROM {table} "
        f"WHERE batch <= {batch}"
    )
    nothing = " AND ".join(f"said.{column} IS NULL" for column in source.columns)
    judged = source.judge(landed.where(f"NOT ({nothing})").select("said.*", "batch", "place"))
    # Rows landed twice, after a kill, count once if they have a place.
    number = "count(DISTINCT place) + count_if(place IS NULL)"
    ((read,),) = landed.selectExpr(number).collect()
    ((valid,),) = judged.where("_reason = ''").selectExpr(number).collect()
    stats = SourceStats(
        source=name,
        repeated=0,
        valid=valid,
        invalid=read - valid,
        dated=False,
        newest=None,
    )
    violations = " ".join(find_violations(stats, limits, as_of))
    outcome = REFUSED if violations else LEFT_OUT
    foreign = landed.where(nothing).selectExpr(
        f"'{name}' AS source",
        "coalesce(place, '-') AS row_key",
        f"'not a JSON object with a column of {source.name}' AS reason",
        f"'{outcome}' AS outcome",
        "coalesce(content, 'null') AS content",
        f"TIMESTAMP '{as_of.isoformat()}' AS as_of",
        f"TIMESTAMP '{as_of.isoformat()}' AS first_seen",
    )
    bad = describe_bad_rows(judged, name, outcome, as_of, as_of).select(*COLUMNS).union(foreign)
    once = bad.dropDuplicates(list(SAME))
    kept = keep_bad_rows(spark, quarantine, once) if valid < read else 0
    if violations:
        reasons = list(count_reasons(bad).items())[:REASONS_SHOWN]
        listed = "; ".join(f"{rows:,} x {reason}, as {key}" for reason, (rows, key) in reasons)
        raise StreamError(
            f"{violations} {listed}. See {quarantine}, outcome '{outcome}'. The rows stay in "
            f"{table}: correct the rules in problem/sources.py or the limits in "
            "conf/data_quality.yml, and the next run reads them. If the rows themselves are wrong, "
            f"correct what sends them, and run DELETE FROM {table} WHERE batch <= {batch}"
        )
    rows = select_first(judged.where("_reason = ''"), source)
    return Taken(rows=rows, valid=valid, kept=kept)


def select_first(rows: "DataFrame", source: Source) -> "DataFrame":
    """Return the first row of each key; rows of a table are ordered by content."""
    # Places of a partition differ in the offset only: the longer text is the greater offset.
    order = "batch, length(place), place, _content"
    keys = ", ".join(source.primary_keys)
    number = f"row_number() OVER (PARTITION BY {keys} ORDER BY {order}) AS _number"
    return rows.selectExpr("*", number).where("_number = 1").select(*source.columns)


def send(rows: "DataFrame", broker: Broker, topic: str, keys: Collection[str]) -> None:
    """Send rows to a Kafka topic as JSON.

    Args:
        rows: The rows.
        broker: Connection to Kafka.
        topic: Its name.
        keys: Columns of the message key, separated by `|`.
    """
    texts = ", ".join(f"CAST({key} AS STRING)" for key in keys)
    values = rows.selectExpr(
        f"concat_ws('|', {texts}) AS key", f"to_json(struct({', '.join(rows.columns)})) AS value"
    )
    values.write.format("kafka").options(**broker.options).option("topic", topic).save()
