"""What the versions of an endpoint have answered since an instant: from its log, and to probes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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

SERVER_ERROR = 500


@dataclass(frozen=True)
class Answer:
    """One request to a served version.

    Attributes:
        version: The version.
        failed: Whether the server failed; what the caller got wrong is not counted.
        took_ms: How long it took, in milliseconds; None where that is not known.
        scores: The answer to each of its rows, None where that is no possible prediction.
    """

    version: int
    failed: bool
    took_ms: float | None
    scores: Sequence[float | None]


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
            failed = payload.status is not None and payload.status >= SERVER_ERROR
            if named != model or (payload.status != 200 and not failed):
                continue
            try:
                scores = [] if failed else read_answers(payload)
            except PayloadError:
                continue  # collect keeps it aside, with its reason
            possible = [score if score is None or allows(score) else None for score in scores]
            yield Answer(int(version), failed, took_ms, possible)


def probe(served: ServedVersion, rows: pd.DataFrame) -> Iterator[Answer]:
    """Yield the answers of a served version to some rows, each asked alone."""
    for took_ms, score, fault in served.probe(rows):
        if fault:
            print(f"A probe failed: {fault}")
        yield Answer(served.number, bool(fault), took_ms, () if fault else (score,))


def read_losses(
    spark: "SparkSession",
    labelled: str,
    model: str,
    versions: Sequence[int],
    since: datetime,
    losses: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
) -> Mapping[int, NDArray[np.float64]]:
    """Return each version's losses on what the endpoint was asked and whose label is known.

    Args:
        spark: The session.
        labelled: The inference log with labels; without it there are none.
        model: Full name of the registered model.
        versions: The versions.
        since: Only requests from then on.
        losses: The loss of each row, from labels and scores.
    """
    empty = np.zeros(0)
    if not spark.catalog.tableExists(labelled):
        return dict.fromkeys(versions, empty)
    rows = spark.sql(
        f"SELECT model_version, CAST(label AS DOUBLE) AS label, score FROM {labelled} "
        "WHERE source = 'endpoint' AND model_name = :model AND label IS NOT NULL "
        f"AND scored_at >= TIMESTAMP '{since.isoformat()}'",
        args={"model": model},
    ).toPandas()
    found = {}
    for version in versions:
        own = rows[rows["model_version"] == str(version)]
        found[version] = (
            losses(own["label"].to_numpy(float), own["score"].to_numpy(float))
            if len(own)
            else empty
        )
    return found
