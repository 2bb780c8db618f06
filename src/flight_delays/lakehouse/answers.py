"""What the versions of an endpoint have answered since an instant: from its log, and to probes."""

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
    """One request to a served version.

    Attributes:
        version: The version.
        at: When it was sent.
        failed: Whether it was not answered; a caller's errors are the same for both versions.
        took_ms: How long it took, in milliseconds; None where that is not known.
        score: The answer to its first row; None where one of its answers is no possible prediction.
    """

    version: int
    at: datetime
    failed: bool
    took_ms: float | None
    score: float | None


@dataclass(frozen=True)
class RequestLoss:
    """The mean loss of a request's rows whose label is known."""

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
    """Yield what the endpoint's log has, deploy's own requests left out.

    Args:
        spark: The session.
        workspace: The workspace.
        schema: Schema that the endpoint logs to.
        model: Full name of the registered model; requests to others are left out.
        since: Only requests from then on.
        allows: Whether a prediction is possible.
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
                continue  # collect keeps it aside, with its reason
            sound = bool(scores) and all(score is not None and allows(score) for score in scores)
            at = payload.request_time.replace(tzinfo=UTC)
            yield Answer(int(version), at, failed, took_ms, scores[0] if sound else None)


def probe(served: ServedVersion, rows: pd.DataFrame, at: datetime) -> Iterator[Answer]:
    """Yield the answers of a served version to some rows, each asked alone."""
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
    """Return the rows that the endpoint was asked for and whose label is known, with their loss.

    Args:
        spark: The session.
        labelled: The inference log with labels; without it there are none.
        model: Full name of the registered model.
        since: Only requests from then on.
        losses: The loss of each row, from labels and scores.
        columns: Further columns of the log.

    Returns:
        `version`, `request`, `at`, `loss` and the columns.
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
    """Yield the loss of each request."""
    for _, own in rows.groupby(["version", "request"]):
        first = own.iloc[0]
        yield RequestLoss(int(first["version"]), first["at"], float(own["loss"].mean()))
