"""Jobs can read feature tables of another deployment, but write only to their own schema."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from pyspark.sql import SparkSession

from flight_delays.lakehouse.errors import (
    SchemaChangedError,
    TableMissingError,
    TableUnreadableError,
)
from flight_delays.lakehouse.tables import require_readable
from flight_delays.tasks.datasets import advise, require_source
from flight_delays.tasks.stream_refresh import prepare_table

from tests.declared import ROOT
from tests.framework.unit.spec.orders import RETURNS
from tests.framework.unit.tasks.test_parameters import list_wheel_tasks

OWN_SCHEMA = "${resources.schemas.flight_delays.id}"
# Task parameters with locations, and their expected values.
PLACES = {
    "model": "${resources.registered_models.model.id}",
    "target": OWN_SCHEMA,
    "experiment": "${resources.experiments.training.name}",
    "source": "${var.source_catalog}.${var.source_schema}",
}
WRITERS = ("ingest", "features", "publish", "teardown")


def read_tasks() -> list[dict[str, Any]]:
    jobs = [yaml.safe_load(path.read_text()) for path in (ROOT / "resources").glob("*.job.yml")]
    return list(list_wheel_tasks(jobs))


def read_parameters(task: dict[str, Any]) -> dict[str, str]:
    told = (parameter.removeprefix("--").partition("=") for parameter in task["parameters"])
    return {name: value for name, _, value in told}


def test_only_the_source_is_another_deployment_s() -> None:
    seen = set()
    for task in read_tasks():
        for name, value in read_parameters(task).items():
            if name in PLACES:
                assert value == PLACES[name], task["entry_point"]
                seen.add(name)
            else:
                assert "source_catalog" not in value
    assert seen == set(PLACES)


def test_tasks_that_write_tables_of_sources_and_features_know_no_source() -> None:
    told = {task["entry_point"]: read_parameters(task) for task in read_tasks()}
    assert {"ingest", "features", "teardown"} <= told.keys()
    for entry_point in WRITERS:
        assert "source" not in told.get(entry_point, {})


def test_one_s_own_tables_are_to_be_filled_and_another_s_to_be_looked_up() -> None:
    own = advise("dev.mine", "dev.mine.model")
    assert own == "Run the job feature_refresh first, with the same as_of."
    others = advise("prod.zoo", "dev.mine.model")
    assert "feature_refresh" not in others
    assert "source_catalog and source_schema name prod.zoo" in others
    assert "USE CATALOG on prod, and USE SCHEMA and SELECT on zoo" in others


def test_a_source_that_is_not_there_is_refused_with_its_first_table(spark: SparkSession) -> None:
    lakehouse: Any = SimpleNamespace(spark=spark)
    with pytest.raises(TableMissingError, match=r"Table nowhere\.at_all\.\w+ does not exist. The"):
        require_source(lakehouse, "nowhere.at_all", "dev.mine.model")


def test_a_table_that_cannot_be_read_is_refused_with_the_reason(
    spark: SparkSession, tmp_path: Path
) -> None:
    spark.sql(f"CREATE TABLE sealed (a INT) USING DELTA LOCATION '{tmp_path / 'sealed'}'")
    require_readable(spark, "sealed", "Ask its owner.")
    for file in sorted((tmp_path / "sealed").rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    with pytest.raises(TableUnreadableError, match=r"(?s)Table sealed .* be read: .+ Ask its own"):
        require_readable(spark, "sealed", "Ask its owner.")


def test_a_table_that_a_stream_fills_gains_columns_and_is_never_to_be_deleted(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lakehouse: Any = SimpleNamespace(spark=spark)
    spark.sql(
        f"CREATE TABLE streamed ({RETURNS.schema}) USING DELTA LOCATION '{tmp_path / 'streamed'}'"
    )
    spark.sql("INSERT INTO streamed VALUES (1, 0.5, TIMESTAMP '2026-06-01 09:00:00')")
    wider = replace(RETURNS, columns={**RETURNS.columns, "note": "STRING", "paid": "DOUBLE"})
    for _ in range(2):
        prepare_table(wider, "streamed", lakehouse)
    (row,) = spark.table("streamed").collect()
    assert (row.order_id, row.returned, row.note, row.paid) == (1, 0.5, None, None)
    assert capsys.readouterr().out.count("returns: note, paid added, without values") == 1
    for changed in ({"returned": "STRING"}, {"order_id": "STRING"}):
        other = replace(RETURNS, columns={**RETURNS.columns, **changed})
        with pytest.raises(SchemaChangedError, match="the types of its columns") as raised:
            prepare_table(other, "streamed", lakehouse)
        assert "elete" not in str(raised.value)
    other_key = replace(wider, primary_keys=("unit",), columns={**wider.columns, "unit": "STRING"})
    with pytest.raises(SchemaChangedError, match="needs unit string"):
        prepare_table(other_key, "streamed", lakehouse)
