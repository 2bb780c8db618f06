"""Task: score the rows of a stream with the Champion, each once."""

from datetime import timedelta
from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING

from ..config.data_quality import load_data_quality
from ..config.streaming import Streaming, load_streaming
from ..lakehouse.context import Lakehouse
from ..lakehouse.quarantine import create_quarantine
from ..lakehouse.registry import find_champion
from ..lakehouse.streams import (
    LANDED,
    Broker,
    forget_batch,
    land,
    list_batches,
    read_channel,
    send,
    take_batch,
)
from ..lakehouse.tables import add_new_rows, create_table, require_table
from ..lakehouse.volumes import require_volume, volume_path
from ..problem import PROBLEM
from ..promotion.decide import CHAMPION
from ..spec.inference_log import STREAM_PREDICTIONS
from ..spec.selection import select_rows
from ..spec.tables import QUARANTINE
from .batch_inference import create_predictions, with_origin
from .parameters import FullName, Instant, Parameters, SchemaName, in_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

REQUESTS = "requests"
LANDED_REQUESTS = "stream_requests_landed"
# Seconds between two looks for new rows.
PAUSE = 1.0
REPLIED = ("prediction", "model_name", "model_version", "scored_at")


class StreamParameters(Parameters):
    """Parameters of the stream_inference task.

    Attributes:
        volume: Full name of the volume of the checkpoints.
        kafka_servers: Bootstrap servers; empty without Kafka.
        kafka_credential: Unity Catalog service credential; empty for none.
        as_of: Exclusive instant up to which rows are known at the start.
        scored_at: Start of the run, written to each prediction.
    """

    model: FullName
    source: SchemaName
    target: SchemaName
    volume: FullName
    kafka_servers: str = ""
    kafka_credential: str = ""
    as_of: Instant
    scored_at: Instant


def run(
    parameters: StreamParameters, lakehouse: Lakehouse, streaming: Streaming | None = None
) -> None:
    """Land new rows and score them by micro-batches, until the run's time is over.

    Raises:
        StreamError: A topic is configured without a broker, or too many rows are invalid.
        TableMissingError: There are no features yet.
        LakehouseError: The Champion has failed validation.
    """
    streaming = streaming or load_streaming([source.name for source in PROBLEM.sources])
    spark, qualify = lakehouse.spark, partial(in_schema, parameters.target)
    for table in PROBLEM.feature_tables:
        name = in_schema(parameters.source, table.name)
        require_table(spark, name, "Run feature_refresh first.")
    require_volume(lakehouse.workspace, parameters.volume)
    broker = Broker(parameters.kafka_servers, parameters.kafka_credential)
    source = PROBLEM.require_source(PROBLEM.spine.source)
    create_quarantine(spark, qualify(QUARANTINE))
    create_predictions(spark, qualify(STREAM_PREDICTIONS))
    create_table(spark, qualify(LANDED_REQUESTS), LANDED)
    arriving = read_channel(spark, streaming.requests, source, qualify, broker, streaming)
    checkpoint = f"{volume_path(parameters.volume)}/{REQUESTS}"
    began, added, now = monotonic(), 0, parameters
    while True:
        land(arriving, spark, qualify(LANDED_REQUESTS), checkpoint)
        for batch in list_batches(spark, qualify(LANDED_REQUESTS)):
            version = find_champion(lakehouse.registry, parameters.model)
            if version is None:
                print(f"{parameters.model} has no {CHAMPION} yet: arrived rows wait for one.")
                break
            added += score_batch(batch, version, now, lakehouse, streaming, broker)
        if monotonic() - began >= 60 * streaming.minutes:
            break
        sleep(PAUSE)
        passed = timedelta(seconds=monotonic() - began)
        now = parameters.model_copy(
            update={
                "as_of": parameters.as_of + passed,
                "scored_at": parameters.scored_at + passed,
            }
        )
    print(f"{qualify(STREAM_PREDICTIONS)}: {added:,} predictions added")
    lakehouse.set_task_value("rows_added", added)


def score_batch(
    batch: int,
    version: int,
    parameters: StreamParameters,
    lakehouse: Lakehouse,
    streaming: Streaming,
    broker: Broker,
) -> int:
    """Score the rows of a micro-batch that have no prediction yet, and return their number.

    The micro-batch is deleted last, so that the next run repeats it after a kill: predictions are
    kept, and replies sent again.
    """
    spark, qualify = lakehouse.spark, partial(in_schema, parameters.target)
    table, keys = qualify(STREAM_PREDICTIONS), list(PROBLEM.keys)
    source = PROBLEM.require_source(PROBLEM.spine.source)
    taken = take_batch(
        spark,
        qualify(LANDED_REQUESTS),
        batch,
        source,
        REQUESTS,
        qualify(QUARANTINE),
        load_data_quality([each.name for each in PROBLEM.sources]).of(source.name),
        parameters.scored_at,
    )
    aside = f", {taken.kept:,} kept in {QUARANTINE}" if taken.kept else ""
    if not taken.valid:
        print(f"micro-batch {batch}: no valid row, it waits for the next{aside}")
        return 0
    taken.rows.createOrReplaceTempView("stream_rows")
    asked = select_rows(spark, PROBLEM, lambda _: "stream_rows", None, known_by=parameters.as_of)
    new = asked.join(spark.table(table).select(*keys), on=keys, how="left_anti")
    added = 0
    if not new.isEmpty():
        scored = lakehouse.feature_store.score_batch(
            model_uri=f"models:/{parameters.model}/{version}", df=new, result_type="double"
        )
        predictions = with_origin(scored, parameters.model, version, parameters.scored_at)
        added = add_new_rows(spark, table, predictions, keys)
    if streaming.replies is not None:
        send(reply(spark.table(table), taken.rows), broker, streaming.replies.topic, keys)
    forget_batch(spark, qualify(LANDED_REQUESTS), batch)
    print(f"micro-batch {batch}: {added:,} rows scored by version {version}{aside}")
    return added


def reply(predictions: "DataFrame", rows: "DataFrame") -> "DataFrame":
    """Return the replies to rows: their predictions, including earlier ones."""
    keys = list(PROBLEM.keys)
    found = predictions.join(rows.select(*keys), on=keys, how="left_semi")
    return found.select(*keys, PROBLEM.spine.decision_at, *REPLIED)


def main() -> None:
    """Run the task from its command line."""
    run(StreamParameters.parse(), Lakehouse())
