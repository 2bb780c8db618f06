"""Task: add all predictions to the inference log, and join the labels known by now."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from ..config.monitoring import Keep, load_monitoring
from ..config.policy import load_policy
from ..lakehouse.context import Lakehouse
from ..lakehouse.inference_log import (
    REJECTED_COLUMNS,
    add_predictions,
    cast_features,
    create_log,
    make_frame,
    merge_labels,
)
from ..lakehouse.payload_log import (
    MARKER,
    find_payload_tables,
    has_requests,
    read_entities,
    read_payloads,
)
from ..lakehouse.payloads import AskedRow, Payload, PayloadError, read_value, unpack
from ..lakehouse.quarantine import create_quarantine
from ..lakehouse.results import create_results
from ..lakehouse.tables import add_new_rows
from ..problem import PROBLEM
from ..spec.inference_log import (
    BATCH,
    ENDPOINT,
    FROM_LOOKUP,
    FROM_TRACE,
    LABELLED,
    LOG,
    REJECTED,
    SCORED,
    log_columns,
    write_prediction,
)
from ..spec.problem import FEATURES_AT
from ..spec.tables import QUARANTINE, Qualify
from .batch_inference import create_predictions
from .parameters import FullName, Instant, Parameters, SchemaName, Text, in_schema

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# The request that maps a new entity to its version may be logged an hour late.
MARKED_WITHIN = timedelta(days=1)


class CollectParameters(Parameters):
    """Parameters of the collect task.

    Attributes:
        policy: Policy file under conf/, whose costs determine the threshold of class 1.
    """

    model: FullName
    source: SchemaName
    target: SchemaName
    as_of: Instant
    policy: Text
    collected_at: Instant


def run(parameters: CollectParameters, lakehouse: Lakehouse) -> None:
    """Add new predictions of batch and endpoint, then join the labels."""
    spark, qualify = lakehouse.spark, partial(in_schema, parameters.target)
    threshold = load_policy(parameters.policy, PROBLEM.model_type).validation.threshold
    create_log(spark, PROBLEM, qualify)
    create_results(spark, qualify)
    create_quarantine(spark, qualify(QUARANTINE))
    for source, name in SCORED.items():
        if source != BATCH and not spark.catalog.tableExists(qualify(name)):
            continue
        create_predictions(spark, qualify(name))
        added = add_predictions(
            spark, PROBLEM, qualify(LOG), source, qualify(name), parameters.model, threshold
        )
        print(f"{qualify(LOG)}: {added:,} rows of {source} added")
    payloads = find_payload_tables(lakehouse.workspace, parameters.target)
    for table in payloads:
        collect_payloads(table, parameters, threshold, lakehouse)
    merge_labels(spark, PROBLEM, qualify, partial(in_schema, parameters.source), parameters.as_of)
    keep = load_monitoring("monitoring", PROBLEM.model_type).keep_days
    delete_old_rows(spark, qualify, payloads, keep, parameters.collected_at)


def delete_old_rows(
    spark: "SparkSession", qualify: Qualify, payloads: Iterable[str], keep: Keep, now: datetime
) -> None:
    """Delete rows past their retention; keep deploy's requests, which map entities to versions."""
    log, payload = (now - timedelta(days=days) for days in (keep.log, keep.payload))
    scored = (name for name in SCORED.values() if spark.catalog.tableExists(qualify(name)))
    logged = (LOG, LABELLED, *scored)
    old = {qualify(name): f"scored_at < TIMESTAMP '{log.isoformat()}'" for name in logged}
    requested = f"request_time < TIMESTAMP '{payload.isoformat()}'"
    old[qualify(REJECTED)] = requested
    for table in payloads:
        if has_requests(spark, table):
            others = f"client_request_id IS NULL OR client_request_id NOT LIKE '{MARKER}%'"
            old[table] = f"{requested} AND ({others})"
    for table, condition in old.items():
        # A DELETE without matches would still create a table version.
        if not spark.sql(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1").isEmpty():
            spark.sql(f"DELETE FROM {table} WHERE {condition}")
            print(f"{table}: rows past their retention are deleted")


def collect_payloads(
    table: str, parameters: CollectParameters, threshold: float, lakehouse: Lakehouse
) -> None:
    """Add the rows of the endpoint's requests, and reject requests that cannot be parsed."""
    spark, qualify = lakehouse.spark, partial(in_schema, parameters.target)
    if not has_requests(spark, table):
        print(f"{table}: no request has been logged yet")
        return
    versions = read_entities(spark, table)
    added, kept_aside = 0, Counter[str]()
    for payloads in read_payloads(spark, table, log=qualify(LOG), rejected=qualify(REJECTED)):
        rows, rejected = [], []
        for payload in payloads:
            version = versions.get(payload.entity or "")
            if version is None and payload.status == 200:
                if payload.request_time > parameters.collected_at - MARKED_WITHIN:
                    continue
                rejected.append((payload, "no version is known for its served entity"))
                continue
            model, number = version or ("", "")
            try:
                rows += [
                    describe_row(payload, at, row, model, number)
                    for at, row in enumerate(unpack(payload))
                ]
            except PayloadError as error:
                rejected.append((payload, str(error)))
        added += add_endpoint_rows(rows, threshold, parameters, lakehouse)
        if rejected:
            aside = [describe_rejected(*each, parameters.collected_at) for each in rejected]
            frame = make_frame(spark, REJECTED_COLUMNS, aside)
            add_new_rows(spark, qualify(REJECTED), frame, ["request_id"])
        kept_aside.update(reason for _, reason in rejected)
    print(f"{qualify(LOG)}: {added:,} rows of the endpoint added")
    for reason, count in kept_aside.most_common():
        print(f"{qualify(REJECTED)}: {count:,} requests kept aside: {reason}")
    lakehouse.set_task_value("requests_rejected", sum(kept_aside.values()))


def describe_row(
    payload: Payload, at: int, row: AskedRow, model: str, version: str
) -> dict[str, Any]:
    """Return a row of a request for the log, with incomplete features.

    Raises:
        PayloadError: A key has another type.
    """
    given = dict(row.given)
    keys = {key: read_value(kind, given.get(key)) for key, kind in PROBLEM.keys.items()}
    for key, kind in PROBLEM.keys.items():
        if keys[key] is None and given.get(key) is not None:
            raise PayloadError(f"its {key} is no {kind}")
    return {
        "row_id": f"{payload.request_id}-{at}",
        **keys,
        PROBLEM.spine.decision_at: read_value("TIMESTAMP", given.get(PROBLEM.spine.decision_at)),
        "scored_at": payload.request_time,
        "features_from": FROM_LOOKUP if row.features is None else FROM_TRACE,
        "score": row.score,
        "model_name": model,
        "model_version": version,
        "source": ENDPOINT,
        "given": given,
        "features": row.features,
    }


def describe_rejected(payload: Payload, reason: str, seen_at: datetime) -> dict[str, Any]:
    """Return a row of the table of rejected requests."""
    return {
        "request_id": payload.request_id,
        "reason": reason,
        "request_time": payload.request_time,
        "status_code": payload.status,
        "request": payload.request,
        "response": payload.response,
        "seen_at": seen_at,
    }


def add_endpoint_rows(
    rows: list[dict[str, Any]],
    threshold: float,
    parameters: CollectParameters,
    lakehouse: Lakehouse,
) -> int:
    """Complete the features of an endpoint's rows, insert them, and return their number."""
    untraced = [row for row in rows if row["features"] is None]
    found = look_up(untraced, parameters.source, lakehouse) if untraced else {}
    computed = {feature.output for feature in PROBLEM.request_features}
    for row in rows:
        # The endpoint ignores values of computed features in a request.
        given = {name: row["given"][name] for name in row["given"] if name not in computed}
        features = row["features"] or {**found.get(row["row_id"], {}), **given}
        row.update(cast_features(PROBLEM, features))
    spark, columns = lakehouse.spark, log_columns(PROBLEM)
    if not rows:
        return 0
    scored = {name: "DOUBLE" if name == "prediction" else kind for name, kind in columns.items()}
    frame = make_frame(spark, scored, rows).selectExpr(
        *(
            f"{write_prediction(PROBLEM, 'score', threshold)} AS prediction"
            if name == "prediction"
            else name
            for name in columns
        )
    )
    return add_new_rows(spark, in_schema(parameters.target, LOG), frame, ["row_id"])


def look_up(
    rows: list[dict[str, Any]], source: str, lakehouse: Lakehouse
) -> Mapping[str, Mapping[str, Any]]:
    """Return the features of rows without a trace by row, as of the time of the request."""
    kinds = PROBLEM.require_source(PROBLEM.spine.source).columns
    wanted = [name for name in PROBLEM.columns if name != FEATURES_AT]
    columns = {"row_id": "STRING", **{n: kinds[n] for n in wanted}, FEATURES_AT: "TIMESTAMP"}
    asked = [
        {
            **{name: read_value(columns[name], row["given"].get(name)) for name in wanted},
            PROBLEM.spine.decision_at: row[PROBLEM.spine.decision_at],
            "row_id": row["row_id"],
            FEATURES_AT: row["scored_at"],
        }
        for row in rows
    ]
    training_set = lakehouse.feature_store.create_training_set(
        df=make_frame(lakehouse.spark, columns, asked),
        feature_lookups=PROBLEM.look_ups(partial(in_schema, source)),
        label=None,
        exclude_columns=[],
    )
    found = training_set.load_df().toPandas()
    return {row["row_id"]: row for row in found.to_dict(orient="records")}


def main() -> None:
    """Run the task from its command line."""
    run(CollectParameters.parse(), Lakehouse())
