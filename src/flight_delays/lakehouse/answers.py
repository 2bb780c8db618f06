"""Responses of an endpoint's served versions, from its inference table and from probes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from databricks.sdk import WorkspaceClient
from numpy.typing import NDArray

from .payload_log import find_payload_tables, has_requests, read_entities, read_since
from .payloads import PayloadError, read_answers
from .served_version import ServedVersion

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class Answer:
    """Result of one request to a served version.

    Attributes:
        version: Number of the version.
        at: When it was sent.
        failed: Whether it failed; client errors affect both versions alike.
        took_ms: Latency in milliseconds; None if unknown.
        score: Prediction for the first row; None if any prediction is invalid.
    """

    version: int
    at: datetime
    failed: bool
    took_ms: float | None
    score: float | None


@dataclass(frozen=True)
class RequestLoss:
    """Mean loss of a request's labelled rows."""

    version: int
    at: datetime
    loss: float


def read_logged(
    spark: "SparkSession",
    workspace: WorkspaceClient,
    schema: str,
    model: str,
    since: datetime,
    allows: Callable[[float], bool],
) -> Iterator[Answer]:
    """Yield the logged requests, without those of deploy and of load tests.

    `schema` is that of the inference tables, `since` inclusive; `allows` returns whether a
    prediction is valid. Requests to other models are skipped.
    """
    for table in find_payload_tables(workspace, schema):
        if not has_requests(spark, table):
            continue
        entities = read_entities(spark, table)
        for payload, took_ms in read_since(spark, table, since):
            named, version = entities.get(payload.entity or "", ("", "0"))
            if named != model or payload.status is None:
                continue
            failed = not 200 <= payload.status < 300
            try:
                scores = [] if failed else read_answers(payload)
            except PayloadError:
                continue  # collect writes it to the table of rejected requests
            sound = bool(scores) and all(score is not None and allows(score) for score in scores)
            at = payload.request_time.replace(tzinfo=UTC)
            yield Answer(int(version), at, failed, took_ms, scores[0] if sound else None)


def probe(served: ServedVersion, rows: pd.DataFrame, at: datetime) -> Iterator[Answer]:
    """Yield a served version's response to each row, one request a row."""
    for took_ms, score, fault in served.probe(rows):
        if fault:
            print(f"A probe failed: {fault}")
        yield Answer(served.number, at, bool(fault), took_ms, score)


def read_losses(
    spark: "SparkSession",
    labelled: str,
    model: str,
    since: datetime,
    losses: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
    columns: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the endpoint's labelled rows with their loss.

    Empty if the table `labelled` does not exist. `since` is inclusive; `losses` returns the loss of
    each row from labels and scores; `columns` are further columns of the log.

    Returns:
        `version`, `request`, `at`, `loss` and `columns`.
    """
    names = ["version", "request", "at", "loss", *columns]
    if not spark.catalog.tableExists(labelled):
        return pd.DataFrame(columns=names)
    listed = "".join(f", {column}" for column in columns)
    rows: pd.DataFrame = spark.sql(
        "SELECT row_id, CAST(model_version AS INT) AS version, unix_micros(scored_at) AS at, "
        f"CAST(label AS DOUBLE) AS label, score{listed} FROM {labelled} "
        "WHERE source = 'endpoint' AND model_name = :model AND label IS NOT NULL "
        f"AND scored_at >= TIMESTAMP '{since.isoformat()}'",
        args={"model": model},
    ).toPandas()
    rows["loss"] = losses(rows["label"].to_numpy(float), rows["score"].to_numpy(float))
    rows["request"] = rows["row_id"].str.rpartition("-")[0] if len(rows) else ""
    rows["at"] = pd.to_datetime(rows["at"], unit="us", utc=True)
    return rows[names]


def average(rows: pd.DataFrame) -> Iterator[RequestLoss]:
    """Yield the mean loss of each request."""
    for _, own in rows.groupby(["version", "request"]):
        first = own.iloc[0]
        yield RequestLoss(int(first["version"]), first["at"], float(own["loss"].mean()))
