from collections.abc import Iterator
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
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
)
from laptop.connection import Connection
from laptop.engine.session import connect

from ...conftest import until

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
