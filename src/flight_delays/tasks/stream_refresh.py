"""Task: ingest the sources that arrive by streams, and compute features from them."""

from datetime import datetime, timedelta
from functools import partial
from time import monotonic, sleep

from ..config.data_quality import load_data_quality
from ..config.serving import load_serving
from ..config.streaming import Streaming, load_streaming
from ..lakehouse.context import Lakehouse
from ..lakehouse.quarantine import create_quarantine
from ..lakehouse.streams import (
    Broker,
    StreamError,
    forget_batch,
    land,
    list_batches,
    read_channel,
    take_batch,
)
from ..lakehouse.tables import add_columns, add_new_rows, create_table, require_columns
from ..lakehouse.volumes import require_volume, volume_path
from ..lakehouse.watermarks import INGESTED, advance_watermarks
from ..problem import PROBLEM
from ..spec.refresh import CONTINUOUS
from ..spec.tables import QUARANTINE, WATERMARKS, Source
from . import features, publish
from .parameters import FullName, Instant, Parameters, SchemaName, in_schema
from .stream_inference import PAUSE

REMEDY = (
    "Keep it: its rows came from a stream, which does not send them again. In problem/, keep its "
    "primary keys and the types of its columns, and give anything new a new name: missing columns "
    "are added."
)


class StreamRefreshParameters(Parameters):
    """Parameters of the stream_refresh task.

    Attributes:
        model: Registered model whose served versions look features up.
        volume: Full name of the volume of the checkpoints.
        online_store: The online store; empty without one.
        kafka_servers: Bootstrap servers; empty without Kafka.
        kafka_credential: Unity Catalog service credential; empty for none.
        as_of: Exclusive instant up to which rows are known at the start.
    """

    target: SchemaName
    model: FullName
    volume: FullName
    online_store: str = ""
    kafka_servers: str = ""
    kafka_credential: str = ""
    as_of: Instant


def run(
    parameters: StreamRefreshParameters, lakehouse: Lakehouse, streaming: Streaming | None = None
) -> None:
    """Ingest new rows, then compute and publish features, until the run's time is over.

    Raises:
        StreamError: A topic is configured without a broker; or a stream has too many invalid rows,
            or no rows for too long.
    """
    streaming = streaming or load_streaming([source.name for source in PROBLEM.sources])
    if not streaming.sources:
        print("conf/streaming.yml has no source: there is nothing to read.")
        return
    require_volume(lakehouse.workspace, parameters.volume)
    create_quarantine(lakehouse.spark, in_schema(parameters.target, QUARANTINE))
    began, added, now = monotonic(), 0, parameters.as_of
    while True:
        failures = []
        for name in streaming.sources:
            try:
                source = PROBLEM.require_source(name)
                added += take_in(source, parameters, lakehouse, streaming, now)
            # Go on with the other sources, and with features that do not need this one.
            except StreamError as error:
                print(f"{name}: {error}")
                failures.append(error)
        bring_up(parameters, lakehouse, now - streaming.settling)
        if failures:
            raise StreamError(" ".join(map(str, failures))) from failures[0]
        if monotonic() - began >= 60 * streaming.minutes:
            break
        sleep(PAUSE)
        now = parameters.as_of + timedelta(seconds=monotonic() - began)
    lakehouse.set_task_value("rows_added", added)
    require_recent(parameters, lakehouse, streaming, now)


def take_in(
    source: Source,
    parameters: StreamRefreshParameters,
    lakehouse: Lakehouse,
    streaming: Streaming,
    now: datetime,
) -> int:
    """Insert a source's new rows into its table, each key once, and return their number."""
    spark, qualify = lakehouse.spark, partial(in_schema, parameters.target)
    table, landed = qualify(source.name), qualify(f"stream_{source.name}_landed")
    prepare_table(source, table, lakehouse)
    broker = Broker(parameters.kafka_servers, parameters.kafka_credential)
    channel = streaming.sources[source.name]
    arriving = read_channel(spark, channel, source, qualify, broker, streaming)
    land(arriving, spark, landed, f"{volume_path(parameters.volume)}/{source.name}")
    limits = load_data_quality([each.name for each in PROBLEM.sources]).of(source.name)
    added = kept = 0
    for batch in list_batches(spark, landed):
        quarantine = qualify(QUARANTINE)
        taken = take_batch(spark, landed, batch, source, source.name, quarantine, limits, now)
        kept += taken.kept
        if taken.valid:
            added += add_new_rows(spark, table, taken.rows, source.primary_keys)
            forget_batch(spark, landed, batch)
    # Last: features are computed up to it, and later rows do not change them.
    come = now - streaming.settling
    advance_watermarks(spark, qualify(WATERMARKS), INGESTED, [source.name], come)
    aside = f", {kept:,} kept in {QUARANTINE}" if kept else ""
    print(f"{source.name}: {added:,} rows have arrived{aside}")
    return added


def prepare_table(source: Source, table: str, lakehouse: Lakehouse) -> None:
    """Create a source's table if it does not exist, and add the missing columns.

    Raises:
        SchemaChangedError: A column has another type, or a key column is missing.
    """
    spark = lakehouse.spark
    create_table(spark, table, source.schema)
    there = {*spark.table(table).columns, *source.primary_keys}
    kept = {name: kind for name, kind in source.columns.items() if name in there}
    require_columns(spark, table, kept, REMEDY)
    if new := [name for name in source.columns if name not in there]:
        add_columns(spark, table, source.columns)
        print(f"{source.name}: {', '.join(new)} added, without values in the rows that are there")


def bring_up(parameters: StreamRefreshParameters, lakehouse: Lakehouse, as_of: datetime) -> None:
    """Compute features up to an instant, and publish them if there is an endpoint."""
    features.run(
        features.FeatureParameters(
            target=parameters.target, model=parameters.model, as_of=as_of, schedule=CONTINUOUS
        ),
        lakehouse,
    )
    if parameters.online_store and load_serving().endpoint:
        publish.run(
            publish.PublishParameters(
                target=parameters.target, online_store=parameters.online_store
            ),
            lakehouse,
        )


def require_recent(
    parameters: StreamRefreshParameters, lakehouse: Lakehouse, streaming: Streaming, now: datetime
) -> None:
    """Check the age of each stream's newest row by conf/data_quality.yml.

    Raises:
        StreamError: It is over the limit; all new rows are ingested nevertheless.
    """
    limits = load_data_quality([source.name for source in PROBLEM.sources])
    for name in streaming.sources:
        source, table = PROBLEM.require_source(name), in_schema(parameters.target, name)
        if source.dated_by is None:
            continue
        hours = limits.of(name).max_age_hours
        (row,) = lakehouse.spark.sql(
            f"SELECT max({source.dated_by}) AS newest, "
            f"max({source.dated_by}) >= TIMESTAMP '{now.isoformat()}' - INTERVAL '{hours}' HOURS "
            f"AS recent FROM {table}"
        ).collect()
        if not row.recent:
            raise StreamError(
                f"{name}: the newest row that has arrived is of {row.newest}, more than {hours} "
                f"hours before {now:%Y-%m-%d %H:%M} UTC. Check what fills "
                f"{streaming.sources[name]}; the limit is in conf/data_quality.yml."
            )


def main() -> None:
    """Run the task from its command line."""
    run(StreamRefreshParameters.parse(), Lakehouse())
