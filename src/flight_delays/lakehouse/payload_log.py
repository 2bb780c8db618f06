"""The inference table of an endpoint's AI Gateway.

Databricks creates the table, does not accept an existing one, and stops logging if it is dropped.
So each new endpoint logs to a table with the next number.
"""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.service.serving import AiGatewayConfig, AiGatewayInferenceTableConfig

from ..spec.inference_log import ENDPOINT
from .errors import EndpointError
from .inference_log import find_start
from .payloads import Payload

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PREFIX = "endpoint"
# Logs the looked-up features with the responses.
TRACING = {"ENABLE_FEATURE_TRACING": "true"}
# Requests parsed at once.
CHUNK = 20_000
TWICE = "delivered twice, with different content"
FIELDS = (
    "databricks_request_id", "client_request_id", "request_time", "status_code",
    "served_entity_id", "request", "response", "logging_error_codes", "sampling_fraction",
)  # fmt: skip
DURATION = "execution_duration_ms"
_TABLE = re.compile(rf"{PREFIX}(?:_(\d+))?_payload")
MARKER = "deploy:"
# Prefix of the request ids of load tests, which are left out of all measurements.
LOAD_TEST = "loadtest:"
_FOREIGN = (
    f"(client_request_id IS NULL OR client_request_id NOT LIKE '{MARKER}%' "
    f"AND client_request_id NOT LIKE '{LOAD_TEST}%')"
)
_MARKED = re.compile(rf"{MARKER}([^:]+):(\d+):[^:]+")


def find_payload_tables(workspace: WorkspaceClient, schema: str) -> list[str]:
    """Return the full names of the inference tables of present and former endpoints, oldest first.

    The schema, with its catalog, need not exist.
    """
    return [f"{schema}.{name}" for _, name in sorted(_number_tables(workspace, schema))]


def plan_log(workspace: WorkspaceClient, schema: str) -> AiGatewayInferenceTableConfig:
    """Return the inference table configuration for a new endpoint."""
    catalog, _, name = schema.partition(".")
    last = max((number for number, _ in _number_tables(workspace, schema)), default=0)
    prefix = f"{PREFIX}_{last + 1}" if last else PREFIX
    return AiGatewayInferenceTableConfig(
        catalog_name=catalog, schema_name=name, table_name_prefix=prefix, enabled=True
    )


def ensure_logged(workspace: WorkspaceClient, endpoint: str, schema: str) -> None:
    """Enable the inference table of an endpoint; the rest of its AI Gateway does not change.

    Raises:
        EndpointError: Requests cannot be logged to the schema.
    """
    try:
        gateway = workspace.serving_endpoints.get(endpoint).ai_gateway or AiGatewayConfig()
        log = gateway.inference_table_config
        if log and log.enabled:
            table = f"{log.catalog_name}.{log.schema_name}.{log.table_name_prefix}_payload"
            there = workspace.tables.exists(table).table_exists
            if there and f"{log.catalog_name}.{log.schema_name}" == schema:
                return
            # The schema can only be changed while logging is disabled.
            log.enabled = False
            put_gateway(workspace, endpoint, gateway)
        gateway.inference_table_config = plan_log(workspace, schema)
        put_gateway(workspace, endpoint, gateway)
    except DatabricksError as error:
        raise refuse_log(endpoint, schema, error) from error
    prefix = gateway.inference_table_config.table_name_prefix
    print(f"Endpoint {endpoint} logs its requests to {schema}.{prefix}_payload.")


def put_gateway(workspace: WorkspaceClient, endpoint: str, gateway: AiGatewayConfig) -> None:
    """Replace the configuration of an endpoint's AI Gateway."""
    workspace.serving_endpoints.put_ai_gateway(
        endpoint,
        fallback_config=gateway.fallback_config,
        guardrails=gateway.guardrails,
        inference_table_config=gateway.inference_table_config,
        rate_limits=gateway.rate_limits or None,
        usage_tracking_config=gateway.usage_tracking_config,
    )


def refuse_log(endpoint: str, schema: str, error: Exception) -> EndpointError:
    """Return the error of an endpoint that cannot log requests, with the grants to give."""
    return EndpointError(
        f"Endpoint {endpoint} cannot log its requests to {schema}: {error}. Grant deploy's "
        f"principal USE CATALOG on {schema.partition('.')[0]}, and USE SCHEMA and CREATE TABLE on "
        f"{schema}, then run deploy again."
    )


def write_marker(model: str, version: int) -> str:
    """Return a request id that names the model version.

    The inference table has the id of the served entity, not the version; these requests map one to
    the other.
    """
    return f"{MARKER}{model}:{version}:{uuid.uuid4()}"


def read_marker(client_request_id: str | None) -> tuple[str, int] | None:
    """Return the model and version of deploy's requests; None for other requests."""
    found = _MARKED.fullmatch(client_request_id or "")
    return (found[1], int(found[2])) if found else None


def has_requests(spark: "SparkSession", table: str) -> bool:
    """Return whether a request was logged: until then, the table has only one column."""
    return set(FIELDS) <= set(spark.table(table).columns)


def read_entities(spark: "SparkSession", table: str) -> Mapping[str, tuple[str, str]]:
    """Return the model and version of each served entity, from deploy's requests.

    Entities with two versions are left out.
    """
    found = spark.sql(
        f"SELECT DISTINCT served_entity_id, client_request_id FROM {table} "
        f"WHERE client_request_id LIKE '{MARKER}%' AND status_code = 200"
    ).collect()
    named: dict[str, set[tuple[str, str]]] = {}
    for row in found:
        version = read_marker(row.client_request_id)
        if version and row.served_entity_id:
            named.setdefault(row.served_entity_id, set()).add((version[0], str(version[1])))
    return {entity: next(iter(each)) for entity, each in named.items() if len(each) == 1}


def read_payloads(
    spark: "SparkSession", table: str, *, log: str, rejected: str
) -> Iterator[list[Payload]]:
    """Yield the requests that are neither in the log nor rejected, in chunks.

    Requests of deploy and of load tests are left out. Identical duplicates are read once.
    """
    since = find_start(spark, log, ENDPOINT)
    later = f"AND request_time >= TIMESTAMP '{since.isoformat()}'" if since else ""
    fields = ", ".join(f"first({name}) AS {name}" for name in FIELDS[1:])
    content = "concat_ws('|', CAST(status_code AS STRING), served_entity_id, request, response)"
    fields += f", max({content}) <> min({content}) AS differs"
    rows = spark.sql(
        f"SELECT p.* FROM (SELECT {FIELDS[0]}, {fields} FROM {table} "
        f"WHERE {FIELDS[0]} IS NOT NULL {later} "
        f"AND {_FOREIGN} "
        f"GROUP BY {FIELDS[0]}) p "
        f"LEFT ANTI JOIN {log} l ON l.row_id = concat(p.{FIELDS[0]}, '-0') "
        f"LEFT ANTI JOIN {rejected} r ON r.request_id = p.{FIELDS[0]} "
        # Oldest first: after a kill, the next run starts a week before the newest row.
        f"ORDER BY p.request_time"
    )
    for batch in rows.toArrow().to_batches(CHUNK):
        yield [_as_payload(row, [TWICE] if row["differs"] else ()) for row in batch.to_pylist()]


def read_outcomes(
    spark: "SparkSession", table: str, since: datetime, *, rejected: str
) -> pd.DataFrame:
    """Return time, failure and latency in milliseconds of each request.

    Rejected requests count as failed. Requests of deploy and of load tests are left out.
    """
    found: pd.DataFrame = spark.sql(
        f"SELECT request_time AS scored_at, {DURATION}, "
        "coalesce(status_code, 0) <> 200 OR request_id IS NOT NULL AS failed "
        f"FROM {table} LEFT JOIN (SELECT DISTINCT request_id FROM {rejected}) "
        f"ON {FIELDS[0]} = request_id "
        f"WHERE request_time >= TIMESTAMP '{since.isoformat()}' AND {_FOREIGN}"
    ).toPandas()
    return found


def read_since(
    spark: "SparkSession", table: str, since: datetime
) -> Iterator[tuple[Payload, float | None]]:
    """Yield each request since an instant once, with its latency in milliseconds.

    Requests of deploy and of load tests are left out.
    """
    fields = ", ".join(f"first({name}) AS {name}" for name in (*FIELDS[1:], DURATION))
    rows = spark.sql(
        f"SELECT {FIELDS[0]}, {fields} FROM {table} WHERE {FIELDS[0]} IS NOT NULL "
        f"AND request_time >= TIMESTAMP '{since.isoformat()}' AND {_FOREIGN} GROUP BY {FIELDS[0]}"
    )
    for batch in rows.toArrow().to_batches(CHUNK):
        for row in batch.to_pylist():
            yield _as_payload(row), row[DURATION]


def _as_payload(row: Mapping[str, Any], faults: Sequence[str] = ()) -> Payload:
    return Payload(
        request_id=row["databricks_request_id"],
        request_time=row["request_time"],
        status=row["status_code"],
        entity=row["served_entity_id"],
        request=row["request"],
        response=row["response"],
        faults=[*(row["logging_error_codes"] or ()), *faults],
        share=row["sampling_fraction"],
    )


def _number_tables(workspace: WorkspaceClient, schema: str) -> list[tuple[int, str]]:
    catalog, _, name = schema.partition(".")
    try:
        names = [table.name or "" for table in workspace.tables.list(catalog, name)]
    except NotFound:
        return []
    found = [(_TABLE.fullmatch(name), name) for name in names]
    return [(int(match[1] or 1), name) for match, name in found if match]
