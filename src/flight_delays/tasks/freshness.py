"""Age of features, and skew between the features of requests and those of training."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial

import numpy as np
import pandas as pd

from ..config.monitoring import Kind, MonitoringPolicy
from ..config.serving import load_serving
from ..lakehouse.context import Lakehouse
from ..lakehouse.measurements import Windows, cut
from ..lakehouse.online_store import find_outage, online_name
from ..lakehouse.watermarks import COMPUTED, PUBLISHED, read_watermarks
from ..monitoring.signals import Window
from ..problem import PROBLEM
from ..spec.inference_log import ENDPOINT, FROM_TRACE, feature_types
from ..spec.selection import select_asked_rows
from ..spec.tables import WATERMARKS, FeatureTable
from .parameters import in_schema

# Maximum number of compared requests of a window.
MOST = 1000
DAYS = {"day": 1, "week": 7, "month": 31}
ASKED, ROW_ID = "asked_rows", "row_id"
# Tolerance: doubles in a trace's JSON may differ in the last bit.
CLOSE = 1e-12


def measure_ages(
    source: str, as_of: datetime, now: datetime, lakehouse: Lakehouse
) -> Mapping[tuple[Kind, str, str], Windows]:
    """Return the age of each feature table and, if there is an endpoint, of its online table.

    `as_of` is the exclusive instant up to which features could be known.
    """
    qualify = partial(in_schema, source)
    known = {"computed": read_watermarks(lakehouse.spark, qualify(WATERMARKS), COMPUTED)}
    if load_serving().endpoint:
        published = read_watermarks(lakehouse.spark, qualify(WATERMARKS), PUBLISHED)
        known["published"] = published
    found: dict[tuple[Kind, str, str], Windows] = {}
    for table in PROBLEM.feature_tables:
        for done, instants in known.items():
            outage = ""
            if done == "published":
                outage = find_outage(lakehouse.workspace, online_name(qualify(table.name)))
            window = measure_age(table, done, instants.get(table.name), as_of, now, outage)
            found["freshness", done, table.name] = (window,)
    return found


def measure_age(
    table: FeatureTable,
    done: str,
    known: datetime | None,
    as_of: datetime,
    now: datetime,
    outage: str = "",
) -> Window:
    """Return the age of a table divided by its limit; no value if the age is unknown.

    `done` is the step that updates it, as a past participle, `known` its watermark, `as_of` the
    latest possible one; `outage` says why look-ups in it fail, empty if they work.
    """
    age = None if known is None or outage else max(as_of - known, timedelta())
    if outage:
        note = f"not online, {outage}"
    elif known is None or age is None:
        note = f"nothing says as of when it was {done}"
    else:
        note = (
            f"{timedelta(seconds=round(age.total_seconds()))} old, {table.fresh_within} allowed, "
            f"{done} as of {known:%Y-%m-%d %H:%M:%S} UTC"
        )
    return Window(
        start=now - table.fresh_within,
        end=now,
        rows=1,
        value=None if age is None else age / table.fresh_within,
        note=note,
    )


def measure_skew(
    log: str, source: str, policy: MonitoringPolicy, now: datetime, lakehouse: Lakehouse
) -> Windows:
    """Return by window the share of requests with other features than training would use.

    The trace of a request has the looked-up features, but not their age. They are compared with the
    feature tables' values of the same key as of the decision: those that training looks up, or
    later ones, published sooner than `Refresh.delay`. Left out are requests without a trace, a key
    or a time, rows missing in the source, decisions after the tables' watermarks, and features of
    tables without a time key, which have no history.
    """
    rule, qualify = policy.signals.skew, partial(in_schema, source)
    computed = read_watermarks(lakehouse.spark, qualify(WATERMARKS), COMPUTED)
    reached = [computed.get(table.name) for table in PROBLEM.feature_tables]
    before = min((instant for instant in reached if instant), default=None)
    if rule is None or before is None or None in reached:
        return ()
    granularity = policy.windows.granularity
    since = now - timedelta(days=DAYS[granularity] * (rule.of + 1))
    columns = list_compared()
    wanted = dict.fromkeys((ROW_ID, *PROBLEM.keys, PROBLEM.spine.decision_at, "scored_at"))
    needed = (*PROBLEM.keys, PROBLEM.spine.decision_at)
    complete = " AND ".join(f"{name} IS NOT NULL" for name in needed)
    asked = lakehouse.spark.sql(
        f"SELECT {', '.join(dict.fromkeys((*wanted, *columns)))} FROM (SELECT *, row_number() OVER "
        f"(PARTITION BY date_trunc('{granularity}', scored_at) ORDER BY md5({ROW_ID})) AS place "
        f"FROM {log} WHERE source = '{ENDPOINT}' AND features_from = '{FROM_TRACE}' "
        f"AND scored_at >= TIMESTAMP '{since.isoformat()}' AND {complete}) WHERE place <= {MOST}"
    ).toPandas()
    if asked.empty:
        return ()
    frame = lakehouse.spark.createDataFrame(asked[[ROW_ID, *PROBLEM.keys]])
    frame.createOrReplaceTempView(ASKED)
    rows = select_asked_rows(lakehouse.spark, PROBLEM, qualify, ASKED, before)
    known = lakehouse.feature_store.create_training_set(
        df=rows, feature_lookups=PROBLEM.look_ups(qualify), label=None, exclude_columns=[]
    )
    differ = compare(asked, known.load_df().toPandas(), columns)
    asked = asked.set_index(ROW_ID).loc[differ.index]
    return tuple(
        Window(
            start=start,
            end=end,
            rows=len(part),
            value=float(differ.loc[part.index].any(axis=1).mean()),
            note=describe_difference(differ.loc[part.index]),
        )
        for start, end, part in cut(asked, granularity)
    )


def list_compared() -> list[str]:
    """Return the columns whose values as of an instant do not depend on the time of look-up."""
    timeless = {
        name for table in PROBLEM.feature_tables if not table.timeseries_column
        for name in table.features
    }  # fmt: skip
    features = [name for name in feature_types(PROBLEM) if name not in timeless]
    return [PROBLEM.spine.decision_at, *features]


def compare(asked: pd.DataFrame, known: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Return by row and column whether the request's value differs from all looked-up values.

    `asked` has each row once, `known` as of one or more instants; both have `row_id`.
    """
    index = pd.Index(known[ROW_ID])
    seen, known = asked.set_index(ROW_ID).loc[index], known.set_index(ROW_ID)
    differs = {}
    for name in columns:
        left, right = seen[name], known[name]
        if name in PROBLEM.numerical_columns:
            ours, theirs = (each.astype(float).to_numpy() for each in (left, right))
            same = np.isclose(ours, theirs, rtol=CLOSE, atol=CLOSE, equal_nan=True)
        else:
            same = ((left == right) | (left.isna() & right.isna())).to_numpy()
        differs[name] = ~same
    return pd.DataFrame(differs, index=index).groupby(level=0).all()


def describe_difference(differ: pd.DataFrame) -> str:
    """Return the names of the columns that differ most often; empty if none differs."""
    shares = differ.mean().sort_values(ascending=False, kind="stable")
    return ", ".join(f"{name} in {share:.0%}" for name, share in shares[shares > 0].head(3).items())
