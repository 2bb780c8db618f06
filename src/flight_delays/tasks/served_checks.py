"""Checks of a served version before it gets traffic."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from time import sleep

import pandas as pd
from databricks.sdk.service.serving import ServedEntityInput

from ..config.serving import load_serving
from ..evaluation.metrics import largest_difference
from ..lakehouse.context import Lakehouse
from ..lakehouse.errors import EndpointError, LakehouseError, NotPublishedError
from ..lakehouse.registry import read_inputs, score
from ..lakehouse.served_version import ServedVersion
from ..lakehouse.watermarks import COMPUTED, PUBLISHED, read_watermarks
from ..problem import PROBLEM
from ..promotion.behaviour import TOLERANCE
from ..promotion.model_version import ModelVersion
from ..spec.problem import FEATURES_AT
from ..spec.tables import WATERMARKS
from .parameters import in_schema
from .questions import LOOKED_UP, NEVER_SEEN

ROWS = 100
FEW = 5
TIMED_REQUESTS = 9
# A publication in progress ends within this many pauses.
ATTEMPTS, PAUSE = 20, 15.0


@dataclass(frozen=True)
class Publication:
    """State of the online features.

    Attributes:
        as_of: The instant as of which tables with a time key are online; None without such tables.
        complete_until: All tables have the features that were known before it.
        pending: Whether newer features are not yet published.
    """

    as_of: datetime | None
    complete_until: datetime | None
    pending: bool


def check_batch(version: ModelVersion, held_out: pd.DataFrame, lakehouse: Lakehouse) -> None:
    """Check that a version's batch predictions are those of its validation.

    Validation used the problem's look-ups; batch and endpoint use those logged with the model.

    Raises:
        LakehouseError: The predictions differ.
    """
    rows = held_out.sample(min(ROWS, len(held_out)), random_state=0)
    spark_rows = lakehouse.spark.createDataFrame(rows[list(PROBLEM.columns)])
    keys = list(PROBLEM.keys)
    batch = score(lakehouse.feature_store, version.uri, spark_rows)[[*keys, "prediction"]]
    both = rows[[*keys, "prediction"]].merge(batch, on=keys, validate="1:1")
    apart = largest_difference(both["prediction_x"], both["prediction_y"]) if len(both) else None
    if len(both) < len(rows) or apart is None or not apart <= TOLERANCE:
        raise LakehouseError(
            f"Batch predicts {len(rows)} rows differently from the validation of version "
            f"{version.version}: by up to {apart} on {len(both)} of them. Either its look-ups are "
            "not those of problem/, or its predictions depend on more than its inputs, such as a "
            "package that it does not require, a variable or a file: train it by this job."
        )
    print(f"Batch predicts {len(rows)} rows as in the validation of version {version.version}.")


def check_served(
    lakehouse: Lakehouse,
    version: ModelVersion,
    held_out: pd.DataFrame,
    source: str,
    endpoint: str,
    entity: str,
) -> None:
    """Check the predictions and the latency of a served version, also for difficult rows.

    Raises:
        EndpointError: A prediction is missing, late, invalid or differs from batch.
        NotPublishedError: A feature table is not recorded as published.
    """
    served = ServedVersion(
        lakehouse.workspace,
        endpoint,
        entity,
        PROBLEM.model_type,
        version.model,
        version.version,
    )
    required = set(read_inputs(version.uri)) or set(PROBLEM.columns)
    keys = [column for column in PROBLEM.columns if column in required]
    scored = compare_with_batch(served, keys, version, held_out, source, lakehouse)
    check_latency(served, scored[keys].tail(1), load_serving().latency_limit_ms)
    check_gaps(served, keys, scored)


def mark_served(
    lakehouse: Lakehouse, held_out: pd.DataFrame, endpoint: str, entity: ServedEntityInput
) -> None:
    """Send one row to a served entity, to record its version in the inference table.

    Raises:
        EndpointError: It does not answer.
    """
    served = ServedVersion(
        lakehouse.workspace,
        endpoint,
        entity.name or "",
        PROBLEM.model_type,
        entity.entity_name or "",
        int(entity.entity_version or 0),
    )
    served.ask(held_out[list(PROBLEM.columns)].tail(1), "the row that marks it in the log")


def compare_with_batch(
    served: ServedVersion,
    keys: list[str],
    version: ModelVersion,
    held_out: pd.DataFrame,
    source: str,
    lakehouse: Lakehouse,
    wait: Callable[[float], None] = sleep,
) -> pd.DataFrame:
    """Compare predictions by key, and with given features, with batch as of the same instant.

    The comparison is repeated if features were published during it.

    Returns:
        The rows with their features and the prediction of batch.

    Raises:
        EndpointError: The predictions differ.
    """
    for _ in range(ATTEMPTS):
        shown = read_publication(source, lakehouse)
        rows = choose_rows(held_out, shown)
        by_key = served.ask(rows[keys], "rows by key alone")
        spark_rows = lakehouse.spark.createDataFrame(rows)
        # In the order of batch, to compare row by row.
        scored = score(lakehouse.feature_store, version.uri, spark_rows)
        scored = rows[list(PROBLEM.keys)].merge(scored, on=list(PROBLEM.keys), validate="1:1")
        given = served.ask(scored[[*keys, *LOOKED_UP]], "the same rows with their features")
        differences = {
            "by key alone and with the features given": largest_difference(by_key, given),
            "by key alone and by batch": largest_difference(by_key, scored["prediction"]),
        }
        if all(difference <= TOLERANCE for difference in differences.values()):
            print(
                f"{served.entity} answers {len(rows)} rows by key alone as with features given "
                f"and as batch does, as of {shown.as_of}: {differences}"
            )
            return scored
        if not shown.pending and read_publication(source, lakehouse) == shown:
            break
        wait(PAUSE)
    which = ", ".join(f"{what} {difference:g}" for what, difference in differences.items())
    raise EndpointError(
        f"{served.entity} of endpoint {served.endpoint} predicts the same {len(rows)} rows "
        f"differently, by up to: {which}; features as of {shown.as_of}. Compare the online tables "
        f"with the feature tables in {source}, then run deploy again."
    )


def check_latency(served: ServedVersion, row: pd.DataFrame, limit_ms: int) -> None:
    """Check a version's latency for one row.

    Raises:
        EndpointError: The median is over the limit.
    """
    taken_ms = 1000 * served.measure(row, TIMED_REQUESTS)
    if taken_ms > limit_ms:
        raise EndpointError(
            f"{served.entity} of endpoint {served.endpoint} takes {taken_ms:.0f} ms for one row "
            f"(median of {TIMED_REQUESTS}), limit {limit_ms} ms. Make the model or its look-ups "
            "faster, or change latency_limit_ms in conf/serving.yml."
        )
    print(f"{served.entity} takes {taken_ms:.0f} ms for one row (median of {TIMED_REQUESTS}).")


def check_gaps(served: ServedVersion, keys: list[str], scored: pd.DataFrame) -> None:
    """Check predictions with missing features, of all tables and of each, and unseen categories.

    Raises:
        EndpointError: The version fails, or a prediction is invalid.
    """
    rows = scored[[*keys, *LOOKED_UP]].tail(FEW)
    empty = rows.assign(**dict.fromkeys(LOOKED_UP))
    # In the first request columns are empty; in the second they have gaps.
    served.ask(empty, "rows whose features are all missing")
    served.ask(pd.concat([rows.astype(object), empty]), "some rows whose features are missing")
    for table in PROBLEM.feature_tables:
        without = rows.assign(**dict.fromkeys(table.features))
        served.ask(without, f"rows whose features of {table.name} are missing")
    served.ask(
        rows.assign(**dict.fromkeys(PROBLEM.categorical_columns, NEVER_SEEN)),
        "rows of unseen categories",
    )
    known = [column for column in PROBLEM.categorical_columns if column in keys]
    served.ask(
        rows[keys].assign(**dict.fromkeys(known, NEVER_SEEN)), "unseen categories by key alone"
    )


def choose_rows(held_out: pd.DataFrame, shown: Publication) -> pd.DataFrame:
    """Return some rows whose features are all online, with the online instant as decision time.

    Raises:
        NotPublishedError: There are no such rows.
    """
    rows = held_out[list(PROBLEM.columns)]
    if shown.complete_until is not None:
        rows = rows[rows[PROBLEM.spine.decision_at] < without_zone(shown.complete_until)]
    if rows.empty:
        raise NotPublishedError(
            f"No held-out row was decided before {shown.complete_until}, up to when all feature "
            "tables are published"
        )
    rows = rows.sample(min(ROWS, len(rows)), random_state=0).sort_values(list(PROBLEM.keys))
    if shown.as_of is not None:
        rows = rows.assign(**{FEATURES_AT: without_zone(shown.as_of)})
    return rows.reset_index(drop=True)


def read_publication(source: str, lakehouse: Lakehouse) -> Publication:
    """Return the state of the online features, as recorded by feature_refresh.

    Raises:
        NotPublishedError: A table is not recorded as published.
    """
    read = partial(read_watermarks, lakehouse.spark, in_schema(source, WATERMARKS))
    published, computed = read(PUBLISHED), read(COMPUTED)
    names = [table.name for table in PROBLEM.feature_tables]
    if missing := [name for name in names if name not in published]:
        raise NotPublishedError(f"Not recorded as published in {source}: {', '.join(missing)}")
    timed = [table.name for table in PROBLEM.feature_tables if table.timeseries_column]
    instants = {published[name] for name in timed}
    return Publication(
        as_of=min(instants, default=None),
        complete_until=min((published[name] for name in names), default=None),
        pending=len(instants) > 1 or any(computed[name] > published[name] for name in timed),
    )


def without_zone(instant: datetime) -> pd.Timestamp:
    """Return an instant in UTC without a time zone, as in rows."""
    return pd.Timestamp(instant.astimezone(UTC).replace(tzinfo=None))
