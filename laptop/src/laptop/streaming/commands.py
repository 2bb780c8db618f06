"""Streaming commands of Spark Connect, executed in the client process.

The engine has no micro-batches. pyspark's classes (`DataStreamWriter`, `StreamingQuery`) are
unchanged: their commands are intercepted before they are sent to the engine.
"""

import atexit
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from pyspark.errors.exceptions.connect import StreamingQueryException
from pyspark.serializers import CloudPickleSerializer
from pyspark.sql import SparkSession
from pyspark.sql.connect.client import DefaultChannelBuilder, SparkConnectClient
from pyspark.sql.connect.proto import commands_pb2 as proto
from pyspark.sql.connect.session import SparkSession as ConnectSession

from ..engine.session import UNCOMPRESSED
from . import plans
from .checkpoint import Checkpoint
from .delta_source import DeltaSource
from .errors import StreamRefused
from .kafka_source import KafkaSource
from .query import Query, Source

_STARTED: dict[str, Query] = {}


def install() -> None:
    """Intercept the streaming commands of all Spark Connect clients of this process."""
    original = SparkConnectClient.execute_command
    if original.__module__ == __name__:
        return

    def execute_command(client: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
        kind = command.WhichOneof("command_type")
        if kind == "write_stream_operation_start":
            result: Any = start(client, command.write_stream_operation_start)
            return None, {"write_stream_operation_start_result": result}, None
        if kind == "streaming_query_command":
            result = ask(command.streaming_query_command)
            return None, {"streaming_query_command_result": result}, None
        if kind == "streaming_query_manager_command":
            raise StreamRefused(
                "spark.streams is not supported on the laptop: keep what start() returns."
            )
        return original(client, command, *args, **kwargs)

    SparkConnectClient.execute_command = execute_command  # type: ignore[assignment, method-assign]


def start(client: Any, command: Any) -> Any:
    """Start a query.

    Raises:
        StreamRefused: The trigger, sink, source or checkpoint is not supported.
    """
    trigger = command.WhichOneof("trigger")
    if trigger not in ("available_now", "once"):
        kind = "Continuous" if trigger == "continuous_checkpoint_interval" else "ProcessingTime"
        raise StreamRefused(
            f"[INFINITE_STREAMING_TRIGGER_NOT_SUPPORTED] Trigger type {kind} is not supported for "
            "this cluster type. Use a different trigger type e.g. AvailableNow, Once."
        )
    if not command.HasField("foreach_batch") or command.WhichOneof("sink_destination"):
        raise StreamRefused("A stream is written by foreachBatch alone on the laptop.")
    if command.output_mode.lower() not in ("", "append", "update"):
        raise StreamRefused(f"Output mode {command.output_mode} needs an aggregation, not here.")
    workspace = WorkspaceClient()
    folder = place_checkpoint(workspace, command.options)
    spark = _join(client)
    source = _open_source(spark, plans.find_source(command.input).read, workspace)
    sink = CloudPickleSerializer().loads(  # type: ignore[no-untyped-call]
        command.foreach_batch.python_function.command
    )
    query = Query(
        spark,
        command.input,
        source,
        sink,
        Checkpoint(folder),
        once=trigger == "once",
        name=command.query_name,
    )
    _STARTED[query.run_id] = query
    query.start()
    result = proto.WriteStreamOperationStartResult(name=query.name)
    result.query_id.id, result.query_id.run_id = query.query_id, query.run_id
    return result


def _open_source(spark: SparkSession, read: Any, workspace: WorkspaceClient) -> Source:
    if read.WhichOneof("read_type") == "named_table":
        table = read.named_table
        return DeltaSource(spark, table.unparsed_identifier, table.options, workspace)
    if read.data_source.format.lower() == "kafka":
        return KafkaSource(spark, read.data_source)
    raise StreamRefused(
        "A stream is read on the laptop from a table (readStream.table) or from Kafka "
        '(readStream.format("kafka")).'
    )


def place_checkpoint(workspace: WorkspaceClient, options: Mapping[str, str]) -> Path:
    """Return the folder of a checkpoint in a volume.

    Raises:
        StreamRefused: No checkpoint is given, or it is not in an existing volume.
    """
    path = {key.lower(): value for key, value in options.items()}.get("checkpointlocation", "")
    levels = path.removeprefix("dbfs:").strip("/").split("/")
    if len(levels) < 5 or levels[0] != "Volumes" or ".." in levels:
        raise StreamRefused(
            f"A streaming query needs the option checkpointLocation, a folder in a volume "
            f"('/Volumes/<catalog>/<schema>/<volume>/<folder>'); got '{path}'."
        )
    name = ".".join(levels[1:4])
    try:
        volume = workspace.volumes.read(name)
    except NotFound as error:
        raise StreamRefused(f"There is no volume {name} for checkpoint '{path}'.") from error
    return Path(unquote(urlparse(str(volume.storage_location)).path), *levels[4:])


def _join(client: Any) -> SparkSession:
    """Return a copy of the client's session on a new client, with its views and settings."""
    address = f"{os.environ['SPARK_REMOTE']}/;session_id={client._session_id}"
    user = f";user_id={client._user_id}" if client._user_id else ""
    session = ConnectSession(DefaultChannelBuilder(address + user, [UNCOMPRESSED]))
    session.release_session_on_close = False
    # At exit it would repeatedly ask the engine, which may be gone, for cached models.
    atexit.unregister(session.client._cleanup_ml_cache)
    return session  # type: ignore[return-value]


def ask(command: Any) -> Any:
    """Execute a command for a query."""
    query = _STARTED[command.query_id.run_id]
    kind = command.WhichOneof("command")
    result = proto.StreamingQueryCommandResult()
    if kind == "await_termination":
        timeout = command.await_termination
        seconds = timeout.timeout_ms / 1000 if timeout.HasField("timeout_ms") else None
        result.await_termination.terminated = query.wait(seconds)
        _raise(query)
    elif kind == "process_all_available":
        query.wait()
        _raise(query)
    elif kind == "stop":
        query.stop()
    elif kind == "exception":
        if query.error is not None:
            result.exception.exception_message = f"StreamingQueryException: {_failure(query)}"
    elif kind == "status":
        result.status.is_active = query.is_active
        result.status.status_message = "Processing new data" if query.is_active else "Stopped"
    elif kind in ("last_progress", "recent_progress"):
        shown = query.progress[-1:] if kind == "last_progress" else query.progress
        result.recent_progress.recent_progress_json.extend(map(json.dumps, shown))
    else:
        raise StreamRefused(f"'{kind}' of a streaming query is not supported on the laptop.")
    return result


def _failure(query: Query) -> str:
    return (
        f"[STREAM_FAILED] Query [id = {query.query_id}, runId = {query.run_id}] terminated with "
        f"exception: {query.error}"
    )


def _raise(query: Query) -> None:
    if query.error is not None and not query.is_active:
        raise StreamingQueryException(message=_failure(query)) from query.error
