"""Monitored values by window, from the log, the metric tables and the inference table."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd

from ..config.monitoring import Granularity
from ..errors import UnusableInputError
from ..evaluation.model_types import ModelType
from ..monitoring.signals import Window

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Windows = tuple[Window, ...]
GRANULARITY = {"day": "1 day", "week": "1 week", "month": "1 month"}


def read_drift(
    spark: "SparkSession",
    table: str,
    version: str,
    granularity: Granularity,
    statistics: Mapping[str, str],
) -> Mapping[str, Windows]:
    """Return each column's drift from the baseline by window; empty if the table is missing.

    `statistics` has the drift statistic of each column.
    """
    if not spark.catalog.tableExists(table):
        return {}
    values = " ".join(
        f"WHEN column_name = '{column}' THEN {write_statistic(statistic)}"
        for column, statistic in statistics.items()
    )
    # Metrics of a former configuration of the monitor may still be in the table.
    rows = spark.sql(
        "SELECT column_name, unix_micros(`window`.start) AS start, unix_micros(`window`.`end`) AS "
        f"stop, max_by(CASE {values} END, monitor_version) AS value FROM {table} "
        "WHERE drift_type = 'BASELINE' AND granularity = :granularity "
        "AND model_version = :version AND slice_key IS NULL GROUP BY 1, 2, 3",
        args={"granularity": GRANULARITY[granularity], "version": version},
    )
    return group(rows)


def write_statistic(statistic: str) -> str:
    """Return SQL for a drift statistic as one number."""
    return f"{statistic}.statistic" if statistic in ("ks_test", "chi_squared_test") else statistic


def read_profile(
    spark: "SparkSession",
    table: str,
    version: str,
    granularity: Granularity,
    columns: Iterable[str],
) -> tuple[Mapping[str, Windows], Mapping[tuple[datetime, datetime], int]]:
    """Return each column's share of nulls, and the row count, by window; empty without table."""
    if not spark.catalog.tableExists(table):
        return {}, {}
    listed = ", ".join(f"'{column}'" for column in (*columns, ":table"))
    rows = spark.sql(
        "SELECT column_name, unix_micros(`window`.start) AS start, unix_micros(`window`.`end`) AS "
        "stop, max_by(percent_null, monitor_version) / 100 AS value, "
        "max_by(count + coalesce(num_nulls, 0), monitor_version) AS row_count "
        f"FROM {table} WHERE log_type = 'INPUT' AND granularity = :granularity "
        f"AND model_version = :version AND slice_key IS NULL AND column_name IN ({listed}) "
        "GROUP BY 1, 2, 3",
        args={"granularity": GRANULARITY[granularity], "version": version},
    )
    found = dict(group(rows))
    whole = found.pop(":table", ())
    return found, {(window.start, window.end): window.rows for window in whole}


def group(rows: "DataFrame") -> Mapping[str, Windows]:
    """Return windows by column, oldest first."""
    found: dict[str, list[Window]] = {}
    for row in rows.toArrow().to_pylist():
        start, stop = read_micros(row["start"]), read_micros(row["stop"])
        count = int(row.get("row_count") or 0)
        window = Window(start=start, end=stop, rows=count, value=row["value"])
        found.setdefault(row["column_name"], []).append(window)
    return {name: tuple(sorted(each, key=lambda w: w.start)) for name, each in found.items()}


def read_micros(micros: int) -> datetime:
    """Return the UTC instant of microseconds since the epoch."""
    return pd.Timestamp(micros, unit="us", tz="UTC").to_pydatetime()


def with_rows(windows: Iterable[Window], rows: Mapping[tuple[datetime, datetime], int]) -> Windows:
    """Return windows with their numbers of rows."""
    return tuple(
        Window(start=w.start, end=w.end, value=w.value, rows=rows.get((w.start, w.end), 0))
        for w in windows
    )


def measure_quality(
    rows: pd.DataFrame,
    model_type: ModelType,
    metrics: Iterable[str],
    *,
    granularity: Granularity,
    known_until: datetime,
) -> Mapping[str, Windows]:
    """Compute metrics of the log's predictions by window.

    `rows` have `scored_at`, `decision_at`, `score` and `label`, missing if not known; decisions
    before `known_until` should have a label.
    """
    found: dict[str, list[Window]] = {name: [] for name in metrics}
    for start, end, part in cut(rows, granularity):
        is_mature = part["decision_at"].fillna(part["scored_at"]) < known_until
        # Younger rows that already have a label are a biased sample: the quickest outcomes.
        known = part[is_mature & part["label"].notna()]
        labels = known["label"].astype(float)
        for name, windows in found.items():
            value = None
            if len(known):
                try:
                    truth, predicted = model_type.read(labels, known["score"])
                    value = model_type.require_metric(name).of(truth, predicted)
                except UnusableInputError as error:
                    print(f"{name} of the window from {start:%Y-%m-%d}: {error}")
            windows.append(
                Window(
                    start=start,
                    end=end,
                    rows=len(known),
                    value=value,
                    mature=float(is_mature.mean()),
                )
            )
    return {name: tuple(windows) for name, windows in found.items()}


def measure_volume(rows: pd.DataFrame, granularity: Granularity) -> Windows:
    """Return each window's row count relative to the median of those before; 1 for the first."""
    sizes: list[int] = []
    found = []
    for start, end, part in cut(rows, granularity):
        usual = float(pd.Series(sizes).median()) if sizes else float(len(part))
        found.append(Window(start=start, end=end, rows=len(part), value=len(part) / usual))
        sizes.append(len(part))
    return tuple(found)


def measure_requests(rows: pd.DataFrame, granularity: Granularity) -> tuple[Windows, Windows]:
    """Return the share of failed requests and the 95th percentile of latency, by window."""
    errors, latency = [], []
    for start, end, part in cut(rows, granularity):
        took = part["execution_duration_ms"].dropna()
        failed = float(part["failed"].astype(float).mean())
        slow = float(took.quantile(0.95)) if len(took) else None
        errors.append(Window(start=start, end=end, rows=len(part), value=failed))
        latency.append(Window(start=start, end=end, rows=len(took), value=slow))
    return tuple(errors), tuple(latency)


def cut(
    rows: pd.DataFrame, granularity: Granularity
) -> Iterable[tuple[datetime, datetime, pd.DataFrame]]:
    """Yield start, end and rows of each window that is not empty, oldest first."""
    at = pd.to_datetime(rows["scored_at"], utc=True)
    kind = {"day": "D", "week": "W-SUN", "month": "M"}[granularity]
    starts = at.dt.tz_localize(None).dt.to_period(kind).dt.start_time
    for start, part in rows.groupby(starts):
        first = pd.Timestamp(start)
        end = first.to_period(kind).end_time + timedelta(microseconds=1)
        yield (
            first.tz_localize("UTC").to_pydatetime(),
            end.floor("us").tz_localize("UTC").to_pydatetime(),
            part,
        )
