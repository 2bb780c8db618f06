import math
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import AlreadyExists, BadRequest, NotFound, NotImplemented
from databricks.sdk.service.dataquality import (
    AggregationGranularity,
    DataProfilingConfig,
    DataProfilingCustomMetric,
    DataProfilingCustomMetricType,
    DataProfilingStatus,
    InferenceLogConfig,
    InferenceProblemType,
    Monitor,
    Refresh,
    RefreshState,
    TimeSeriesConfig,
)
from laptop.connection import Connection
from laptop.engine.session import connect

from ...conftest import Toy, alive, until
from ...unit.profiling import by_definition

SCHEMA = "dev.watched"
LOG = f"{SCHEMA}.inference_log_labelled"
BASELINE = f"{SCHEMA}.inference_log_baseline"
COLUMNS = (
    "row_id STRING, scored_at TIMESTAMP, carrier STRING, distance DOUBLE, score DOUBLE, "
    "prediction STRING, label STRING, model_version STRING"
)
DOUBLE = '{"name":"output","type":"double","nullable":true,"metadata":{}}'
COST = DataProfilingCustomMetric(
    name="cost",
    definition=(
        "avg(CASE WHEN {{prediction_col}} = {{label_col}} THEN 0.0 "
        "WHEN {{prediction_col}} = '1' THEN 1.0 ELSE 5.0 END)"
    ),
    input_columns=[":table"],
    output_data_type=DOUBLE,
    type=DataProfilingCustomMetricType.DATA_PROFILING_CUSTOM_METRIC_TYPE_AGGREGATE,
)


def close(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-9, abs=1e-9)


class Tables:
    """Monitored tables of the shared workspace."""

    def __init__(self, client: WorkspaceClient, there: Connection) -> None:
        self.client = client
        self.spark = connect(there.spark)

    def write(self, name: str, *rows: str, columns: str = COLUMNS) -> None:
        self.spark.sql(f"DROP TABLE IF EXISTS {name}")
        self.spark.sql(f"CREATE TABLE {name} ({columns}) USING DELTA")
        if rows:
            self.spark.sql(f"INSERT INTO {name} VALUES {', '.join(rows)}")

    def read(self, text: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.spark.sql(text).toArrow().to_pylist()
        return rows

    def identifier(self, name: str) -> str:
        return str(self.client.tables.get(name).table_id)

    def monitor(self, name: str, **changes: Any) -> Monitor:
        schema = self.client.schemas.get(SCHEMA).schema_id
        assert schema
        settings: dict[str, Any] = {
            "output_schema_id": schema,
            "assets_dir": "/Workspace/Users/laptop",
            "skip_builtin_dashboard": True,
            "inference_log": InferenceLogConfig(
                problem_type=InferenceProblemType.INFERENCE_PROBLEM_TYPE_CLASSIFICATION,
                timestamp_column="scored_at",
                granularities=[AggregationGranularity.AGGREGATION_GRANULARITY_1_DAY],
                prediction_column="prediction",
                model_id_column="model_version",
                label_column="label",
            ),
        }
        return Monitor(
            object_type="table",
            object_id=self.identifier(name),
            data_profiling_config=DataProfilingConfig(**settings | changes),
        )

    def create(self, name: str, **changes: Any) -> str:
        """Create a monitor, wait for it and return the table's id."""
        made = self.client.data_quality.create_monitor(self.monitor(name, **changes))
        active = DataProfilingStatus.DATA_PROFILING_STATUS_ACTIVE
        until(lambda: self.settings(made.object_id).status == active)
        return made.object_id

    def settings(self, identifier: str) -> DataProfilingConfig:
        found = self.client.data_quality.get_monitor("table", identifier).data_profiling_config
        assert found
        return found

    def refresh(self, identifier: str) -> Refresh:
        """Refresh and return how it ended."""
        quality = self.client.data_quality
        begun = quality.create_refresh("table", identifier, Refresh("table", identifier))
        number = begun.refresh_id
        assert number
        going = (
            RefreshState.MONITOR_REFRESH_STATE_PENDING,
            RefreshState.MONITOR_REFRESH_STATE_RUNNING,
        )
        until(lambda: quality.get_refresh("table", identifier, number).state not in going)
        return quality.get_refresh("table", identifier, number)


@pytest.fixture
def tables(client: WorkspaceClient, there: Connection) -> Iterator[Tables]:
    client.schemas.create("watched", "dev")
    yield Tables(client, there)
    client.schemas.delete(SCHEMA, force=True)


def row(number: int, day: str, carrier: str, distance: float, pair: str, model: str = "1") -> str:
    """Return a row of the log: `pair` is prediction and label."""
    label = f"'{pair[1]}'" if pair[1] in "01" else "NULL"
    return (
        f"('{number}', {day} + INTERVAL {number} MINUTES, '{carrier}', {distance}D, 0.5D, "
        f"'{pair[0]}', {label}, '{model}')"
    )


YESTERDAY, TODAY = (f"date_trunc('DAY', now()) - INTERVAL {days} DAYS" for days in (1, 0))


def test_a_refresh_of_a_small_log_writes_both_tables(tables: Tables) -> None:
    tables.write(
        LOG,
        row(1, YESTERDAY, "AA", 100, "11"),
        row(2, YESTERDAY, "AA", 300, "01"),
        row(3, TODAY, "UA", 200, "10", model="2"),
        row(4, TODAY, "AA", 400, "0?", model="2"),
    )
    tables.write(BASELINE, row(5, YESTERDAY, "AA", 100, "11"))

    identifier = tables.create(
        LOG, baseline_table_name=BASELINE, slicing_exprs=["carrier"], custom_metrics=[COST]
    )
    ended = tables.refresh(identifier)

    assert ended.state == RefreshState.MONITOR_REFRESH_STATE_SUCCESS, ended.message
    whole = tables.read(
        f"SELECT * FROM {LOG}_profile_metrics WHERE column_name = ':table' AND slice_key IS NULL "
        "AND log_type = 'INPUT' AND model_version = '*' ORDER BY window.start"
    )
    assert [r["count"] for r in whole] == [2, 2]
    assert [r["accuracy_score"] for r in whole] == [0.5, 0.0]
    assert [r["cost"] for r in whole] == [2.5, 3.0]
    drift = tables.read(
        f"SELECT drift_type, ks_test, js_distance FROM {LOG}_drift_metrics WHERE column_name = "
        "'distance' AND slice_key IS NULL AND model_version = '*'"
    )
    assert sorted(r["drift_type"] for r in drift) == ["BASELINE", "BASELINE", "CONSECUTIVE"]
    assert all(r["ks_test"] and r["js_distance"] is None for r in drift)


def test_profile_and_drift_of_all_types_agree_with_the_definitions(tables: Tables) -> None:
    name = f"{SCHEMA}.odd"
    columns = (
        "at TIMESTAMP, x DOUBLE, constant INT, nothing DOUBLE, money DECIMAL(10,2), yes BOOLEAN, "
        "day DATE, word STRING, parts ARRAY<INT>"
    )
    random = np.random.default_rng(11)
    wide = [math.nan, math.inf, -math.inf, None, 0.0]
    frames = []
    # Two days that follow each other, one after a gap with a single row, one that is too old.
    for days, count in ((5, 40), (4, 60), (1, 1), (40, 7)):
        start = datetime.combine(datetime.now(UTC) - timedelta(days=days), time.min, UTC)
        picked = random.integers(0, 5, count)
        rare = random.random(count) < 0.1
        values = random.normal(days, 2, count).round(3)
        words = ["AA", "UA"] if days == 5 else ["AA", "unseen", "", None]
        frames.append(
            pa.table(
                {
                    "at": [
                        start + timedelta(minutes=int(m)) for m in random.integers(0, 1440, count)
                    ],
                    "x": [
                        wide[p] if r else v for p, r, v in zip(picked, rare, values, strict=True)
                    ],
                    "constant": [7] * count,
                    "nothing": [None] * count,
                    "money": random.integers(0, 9, count).astype(float),
                    "yes": [[True, False, None][p % 3] for p in picked],
                    "day": [start.date()] * count,
                    "word": [words[p % len(words)] for p in picked],
                    "parts": [[1, 2] if p else None for p in picked],
                },
                schema=pa.schema(
                    [
                        ("at", pa.timestamp("us", tz="UTC")),
                        ("x", pa.float64()),
                        ("constant", pa.int32()),
                        ("nothing", pa.float64()),
                        ("money", pa.float64()),
                        ("yes", pa.bool_()),
                        ("day", pa.date32()),
                        ("word", pa.string()),
                        ("parts", pa.list_(pa.int32())),
                    ]
                ),
            )
        )
    tables.write(name, columns=columns)
    whole = pa.concat_tables(frames)
    tables.spark.createDataFrame(whole).createOrReplaceTempView("odd_rows")
    casts = "at, x, constant, nothing, CAST(money AS DECIMAL(10,2)), yes, day, word, parts"
    tables.spark.sql(f"INSERT INTO {name} SELECT {casts} FROM odd_rows")
    series = TimeSeriesConfig(
        timestamp_column="at", granularities=[AggregationGranularity.AGGREGATION_GRANULARITY_1_DAY]
    )

    identifier = tables.create(
        name, inference_log=None, time_series=series, slicing_exprs=["word", "x > 4"]
    )
    ended = tables.refresh(identifier)

    assert ended.state == RefreshState.MONITOR_REFRESH_STATE_SUCCESS, ended.message
    profile = {
        (r["window"]["start"], r["slice_key"], r["slice_value"], r["column_name"]): r
        for r in tables.read(f"SELECT * FROM {name}_profile_metrics")
    }
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for table in frames[:3]:
        for record in table.to_pylist():
            start = datetime.combine(record["at"], time.min, UTC)
            x = record["x"]
            # NaN is greater than all numbers, in Spark.
            over = None if x is None else "true" if math.isnan(x) or x > 4 else "false"
            for key, value in ((None, None), ("word", record["word"]), ("x > 4", over)):
                if key is None or value is not None:
                    groups.setdefault((start, key, value), []).append(record)
    assert {key[:3] for key in profile} == set(groups)
    for group, records in groups.items():
        for column in ("x", "constant", "nothing", "money"):
            numbers = [None if r[column] is None else float(r[column]) for r in records]
            found = profile[*group, column]
            for cell, expected in by_definition.profile(numbers).items():
                assert found[cell] == (expected if expected is None else close(expected)), (
                    group,
                    column,
                    cell,
                )
        for column in ("yes", "word"):
            known = [str(r[column]).lower() if column == "yes" else r[column] for r in records]
            known = [v for v, r in zip(known, records, strict=True) if r[column] is not None]
            found = profile[*group, column]
            assert found["num_nulls"] == len(records) - len(known)
            items = {item["item"]: item["count"] for item in found["frequent_items"]}
            assert items == {value: known.count(value) for value in known}
        instants = [r["at"].timestamp() for r in records]
        found = profile[*group, "at"]
        assert (found["min"], found["max"], found["avg"]) == (min(instants), max(instants), None)
        assert found["median"] == by_definition.quantile(instants, 1, 2)
        assert profile[*group, "parts"]["num_nulls"] == sum(r["parts"] is None for r in records)
        there = [c for c in whole.column_names if any(r[c] is not None for r in records)]
        assert profile[*group, ":table"]["non_null_columns"] == there

    drift = tables.read(f"SELECT * FROM {name}_drift_metrics")
    first, second, _ = sorted({key[0] for key in groups})
    # The third day has no day before it.
    assert {(r["window_cmp"]["start"], r["window"]["start"]) for r in drift} == {(first, second)}
    for r in drift:
        now = groups[second, r["slice_key"], r["slice_value"]]
        then = groups[first, r["slice_key"], r["slice_value"]]
        column = r["column_name"]
        assert r["count_delta"] == len(now) - len(then)
        if column in ("x", "constant", "money"):
            sides = [
                [float(v[column]) for v in side if v[column] is not None] for side in (now, then)
            ]
            sides = [[v for v in side if not math.isnan(v)] for side in sides]
            if not all(sides):
                assert r["ks_test"] is None
                continue
            assert r["ks_test"]["statistic"] == close(by_definition.ks(*sides))
            assert r["wasserstein_distance"] == close(by_definition.wasserstein(*sides))
            assert r["population_stability_index"] == close(by_definition.stability_index(*sides))
            assert r["js_distance"] is None
        elif column in ("yes", "word"):
            words_of = [
                [str(v[column]) for v in side if v[column] is not None] for side in (now, then)
            ]
            if all(words_of):
                expected = by_definition.categories(*words_of)
                assert r["js_distance"] == close(expected["js_distance"])
                assert r["chi_squared_test"]["statistic"] == close(expected["chi_squared"])
                assert r["tv_distance"] == close(expected["tv_distance"])
            assert r["ks_test"] is None
        else:
            assert r["ks_test"] is r["js_distance"] is None


def test_columns_of_the_metric_tables_are_those_of_databricks(tables: Tables) -> None:
    tables.write(LOG, row(1, YESTERDAY, "AA", 100, "11"), row(2, TODAY, "AA", 300, "01"))
    identifier = tables.create(LOG, custom_metrics=[COST])
    tables.refresh(identifier)

    profile = dict(tables.spark.table(f"{LOG}_profile_metrics").dtypes)
    drift = dict(tables.spark.table(f"{LOG}_drift_metrics").dtypes)

    assert " ".join(profile) == (
        "window log_type logging_table_commit_version monitor_version granularity model_version "
        "slice_key slice_value column_name count data_type num_nulls avg quantiles min max stddev "
        "num_zeros num_nan min_length max_length avg_length non_null_columns frequent_items median "
        "distinct_count percent_nan percent_null percent_zeros percent_distinct accuracy_score "
        "confusion_matrix precision recall f1_score roc_auc_score log_loss cost"
    )
    averaged = "struct<one_vs_all:map<string,double>,macro:double,weighted:double>"
    assert profile["window"] == "struct<start:timestamp,end:timestamp>"
    assert profile["logging_table_commit_version"] == "int"
    assert profile["frequent_items"] == "array<struct<item:string,count:bigint>>"
    assert profile["recall"] == averaged
    assert " ".join(drift) == (
        "window granularity monitor_version model_version slice_key slice_value column_name "
        "data_type window_cmp drift_type count_delta avg_delta percent_null_delta "
        "percent_zeros_delta percent_distinct_delta non_null_columns_delta js_distance ks_test "
        "wasserstein_distance population_stability_index chi_squared_test tv_distance "
        "l_infinity_distance"
    )
    assert drift["non_null_columns_delta"] == "struct<added:int,missing:int>"
    assert drift["ks_test"] == "struct<statistic:double,pvalue:double>"


def test_a_monitor_is_created_changed_and_deleted_as_the_sdk_asks(tables: Tables) -> None:
    tables.write(LOG, row(1, TODAY, "AA", 100, "11"))
    quality = tables.client.data_quality
    wanted = tables.monitor(LOG, slicing_exprs=["carrier"])
    text = rf"Cannot find Monitor with ID: /metastores:[0-9a-f-]+/tables:{wanted.object_id}/"
    with pytest.raises(NotFound, match=text):
        quality.get_monitor("table", wanted.object_id)

    made = quality.create_monitor(wanted).data_profiling_config

    assert made
    assert made.status == DataProfilingStatus.DATA_PROFILING_STATUS_PENDING
    assert made.monitor_version == 0
    assert made.monitored_table_name == LOG
    assert made.profile_metrics_table_name == f"{LOG}_profile_metrics"
    assert made.drift_metrics_table_name == f"{LOG}_drift_metrics"
    with pytest.raises(AlreadyExists, match="has a monitor"):
        quality.create_monitor(wanted)
    assert tables.refresh(wanted.object_id).state == RefreshState.MONITOR_REFRESH_STATE_SUCCESS
    # One window, no baseline: nothing to compare.
    assert not tables.client.tables.exists(f"{LOG}_drift_metrics").table_exists

    changed = tables.monitor(LOG, custom_metrics=[COST])
    mask = "data_profiling_config.custom_metrics,data_profiling_config.slicing_exprs"
    quality.update_monitor("table", wanted.object_id, changed, mask)

    now = tables.settings(wanted.object_id)
    assert (now.monitor_version, now.slicing_exprs) == (1, None)
    assert now.custom_metrics == [COST]
    # A table that is written anew is the same table.
    tables.spark.table(LOG).write.mode("overwrite").option("overwriteSchema", "true").saveAsTable(
        LOG
    )
    identifier = tables.identifier(LOG)
    assert tables.refresh(identifier).state == RefreshState.MONITOR_REFRESH_STATE_SUCCESS
    (whole,) = tables.read(
        f"SELECT * FROM {LOG}_profile_metrics WHERE column_name = ':table' AND model_version = '1'"
    )
    assert (whole["monitor_version"], whole["cost"], whole["slice_key"]) == (1, 0.0, None)
    assert len(list(quality.list_refresh("table", identifier, page_size=1))) == 2

    quality.delete_monitor("table", identifier)

    with pytest.raises(NotFound, match="Cannot find Monitor"):
        quality.get_monitor("table", identifier)
    assert tables.client.tables.exists(f"{LOG}_profile_metrics").table_exists


def test_what_databricks_refuses_or_lacks_is_refused(tables: Tables) -> None:
    tables.write(LOG, row(1, TODAY, "AA", 100, "11"))
    quality = tables.client.data_quality

    with pytest.raises(BadRequest, match="must be the JSON of a StructField"):
        quality.create_monitor(
            tables.monitor(LOG, custom_metrics=[replace(COST, output_data_type="double")])
        )
    with pytest.raises(BadRequest, match="exactly one of"):
        quality.create_monitor(tables.monitor(LOG, inference_log=None))
    with pytest.raises(NotFound, match="Baseline table"):
        quality.create_monitor(tables.monitor(LOG, baseline_table_name=f"{SCHEMA}.nowhere"))
    drift = DataProfilingCustomMetricType.DATA_PROFILING_CUSTOM_METRIC_TYPE_DRIFT
    with pytest.raises(NotImplemented, match="is of type DRIFT"):
        quality.create_monitor(tables.monitor(LOG, custom_metrics=[replace(COST, type=drift)]))
    identifier = tables.create(LOG)
    with pytest.raises(BadRequest, match="cannot be changed"):
        quality.update_monitor(
            "table", identifier, tables.monitor(LOG), "data_profiling_config.status"
        )
    with pytest.raises(NotFound, match="Cannot find Refresh"):
        quality.get_refresh("table", identifier, 987)
    refresh = Refresh("table", identifier)
    for unimplemented in (
        lambda: list(quality.list_monitor()),
        lambda: quality.update_refresh("table", identifier, 1, refresh, "state"),
        lambda: quality.delete_refresh("table", identifier, 1),
    ):
        with pytest.raises(NotImplemented, match="not supported on the laptop"):
            unimplemented()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slicing_exprs": ["carier"]}, "Slicing expression 'carier' cannot be evaluated"),
        (
            {"custom_metrics": [replace(COST, definition="avg({{label}})")]},
            "UNDEFINED_TEMPLATE_VARIABLE in custom metric cost",
        ),
        (
            {"custom_metrics": [replace(COST, definition="averag({{label_col}})")]},
            r"Custom metrics \(cost\) cannot be evaluated",
        ),
        (
            {"custom_metrics": [replace(COST, input_columns=["mileage"])]},
            "Custom metric cost is of column mileage, which the table lacks",
        ),
    ],
)
def test_a_refresh_of_a_wrong_configuration_fails_with_its_message(
    changes: dict[str, Any], message: str, tables: Tables
) -> None:
    tables.write(LOG, row(1, TODAY, "AA", 100, "11"))
    identifier = tables.create(LOG, **changes)

    ended = tables.refresh(identifier)

    assert ended.state == RefreshState.MONITOR_REFRESH_STATE_FAILED
    assert ended.message
    assert re.search(message, ended.message)
    assert tables.settings(identifier).latest_monitor_failure_message == ended.message
    assert not tables.client.tables.exists(f"{LOG}_profile_metrics").table_exists


@pytest.mark.nightly
def test_a_canceled_refresh_writes_nothing_and_a_killed_one_has_failed(
    lonely: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No task runs here.
    monkeypatch.setenv("LAPTOP_NO_FORK", "1")
    there = lonely.open()
    client = WorkspaceClient(host=there.address, token=there.token)
    client.schemas.create("watched", "dev")
    tables = Tables(client, there)
    tables.write(LOG, row(1, TODAY, "AA", 100, "11"))
    identifier = tables.create(LOG)
    refresh = Refresh("table", identifier)
    begun = client.data_quality.create_refresh("table", identifier, refresh)
    canceled = client.data_quality.cancel_refresh("table", identifier, begun.refresh_id or 0)
    killed = client.data_quality.create_refresh("table", identifier, refresh)
    os.kill(there.pid, signal.SIGKILL)
    until(lambda: not alive(there.pid))

    there = lonely.open()

    client = WorkspaceClient(host=there.address, token=there.token)
    assert canceled.refresh
    assert canceled.refresh.state == RefreshState.MONITOR_REFRESH_STATE_CANCELED
    found = list(client.data_quality.list_refresh("table", identifier))
    assert [(each.refresh_id, each.state) for each in found] == [
        (killed.refresh_id, RefreshState.MONITOR_REFRESH_STATE_FAILED),
        (begun.refresh_id, RefreshState.MONITOR_REFRESH_STATE_CANCELED),
    ]
    assert found[0].message == "The workspace ended before the refresh did. Refresh again."
    assert not client.tables.exists(f"{LOG}_profile_metrics").table_exists
    again = Tables(client, there)
    assert again.refresh(identifier).state == RefreshState.MONITOR_REFRESH_STATE_SUCCESS
