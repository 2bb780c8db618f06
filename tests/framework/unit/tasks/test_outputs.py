"""Predictions sent to the online store, and the message that all have arrived."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from flight_delays.lakehouse.watermarks import COLUMNS
from flight_delays.problem import PROBLEM
from flight_delays.tasks import outputs
from flight_delays.tasks.batch_inference import COLUMNS as PREDICTED

KEY, *_ = PROBLEM.keys
SINCE = datetime(2026, 3, 1, tzinfo=UTC)
TABLES = {
    "predictions": ", ".join(f"{name} {kind}" for name, kind in PREDICTED.items()),
    "latest_predictions": ", ".join(f"{name} {PREDICTED[name]}" for name in outputs.SHOWN),
    "watermarks": COLUMNS,
}


class Online:
    """An online store that copies the whole table, and a feature store that merges by key."""

    def __init__(self, spark: SparkSession) -> None:
        self.spark = spark
        self.shown: dict[str, int] = {}
        self.killed = False

    def write_table(self, *, name: str, df: DataFrame, mode: str) -> None:
        assert mode == "merge"
        df.createOrReplaceTempView("written")
        same = " AND ".join(f"old.{key} = new.{key}" for key in PROBLEM.keys)
        values = ", ".join(f"{column} = new.{column}" for column in outputs.SHOWN)
        listed = ", ".join(outputs.SHOWN)
        given = ", ".join(f"new.{column}" for column in outputs.SHOWN)
        self.spark.sql(
            f"MERGE INTO {name} old USING written new ON {same} "
            f"WHEN MATCHED THEN UPDATE SET {values} "
            f"WHEN NOT MATCHED THEN INSERT ({listed}) VALUES ({given})"
        )

    def publish(self, _: Any, __: str, tables: list[str]) -> None:
        if self.killed:
            raise KeyboardInterrupt
        self.shown = {row[KEY]: row.model_version for row in self.spark.table(tables[0]).collect()}


@pytest.fixture
def online(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Online:
    spark.sql("CREATE DATABASE IF NOT EXISTS sent")
    for table, columns in TABLES.items():
        spark.sql(f"DROP TABLE IF EXISTS sent.{table}")
        location = tmp_path / table
        spark.sql(f"CREATE TABLE sent.{table} ({columns}) USING DELTA LOCATION '{location}'")
    online = Online(spark)
    monkeypatch.setattr(outputs, "require_online_store", lambda *_: None)
    monkeypatch.setattr(outputs, "ensure_feature_table", lambda *_, **__: None)
    monkeypatch.setattr(outputs, "publish_features", online.publish)
    monkeypatch.setattr(outputs, "read_sync", lambda *_: online.shown or None)
    monkeypatch.setattr(outputs, "in_schema", lambda _, name: f"sent.{name}")
    return online


def predict(online: Online, key: str, version: int) -> None:
    """Add a prediction with a fixed timestamp."""
    values = {
        KEY: f"'{key}'",
        "prediction": "0.5",
        "model_name": "'a.b.c'",
        "model_version": str(version),
        "scored_at": "TIMESTAMP '2026-03-02 10:00:00'",
    }
    row = (
        f"CAST({values.get(name, 'NULL')} AS {kind}) AS {name}" for name, kind in PREDICTED.items()
    )
    online.spark.sql(f"INSERT INTO sent.predictions SELECT {', '.join(row)}")


def send(online: Online) -> str:
    parameters: Any = SimpleNamespace(target="a.b", online_store="store")
    lakehouse: Any = SimpleNamespace(spark=online.spark, feature_store=online, workspace=None)
    (said,) = outputs.send_online(parameters, lakehouse, "sent.predictions", SINCE)
    return said


def test_what_a_repaired_run_adds_is_online_even_after_a_kill(online: Online) -> None:
    predict(online, "a", 1)
    assert "shows the predictions up to" in send(online)
    assert "shows all predictions up to" in send(online)
    # A repair adds rows with the run's timestamp: a new key, and a new version for the first one.
    predict(online, "b", 1)
    predict(online, "a", 2)
    online.killed = True
    with pytest.raises(KeyboardInterrupt):
        send(online)
    online.killed = False
    assert "shows the predictions up to" in send(online)
    assert online.shown == {"a": 2, "b": 1}
    assert "shows all predictions up to" in send(online)
