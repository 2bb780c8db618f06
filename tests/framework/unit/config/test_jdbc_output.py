"""A table of another database in conf/outputs.yml."""

from pathlib import Path

import pytest
from laptop.bundle import Identity, resolve
from pydantic import ValidationError

from flight_delays.config.outputs import Outputs, load_outputs

from tests.declared import ROOT


def outputs(jdbc: object) -> Outputs:
    return Outputs.model_validate({"files": "none", "jdbc": jdbc, "lookback_days": 7})


def test_no_table_is_written_by_default() -> None:
    assert load_outputs().jdbc is None


@pytest.mark.parametrize("target", ["dev", "test", "staging", "prod"])
def test_each_target_has_its_own_connection_and_none_by_default(target: str) -> None:
    identity = Identity("ann@example.com", "ann")
    for given in ({}, {"jdbc_connection": "sales"}):
        bundle = resolve(Path(ROOT), target=target, variables=given, identity=identity)
        (outputs,) = (
            task
            for task in bundle.jobs["batch_inference"]["tasks"]
            if task["task_key"] == "outputs"
        )
        connection = f"--jdbc_connection={given.get('jdbc_connection', '')}"
        assert connection in outputs["python_wheel_task"]["parameters"]


@pytest.mark.parametrize("table", ["predictions", "sales.predictions", "db.sales.predictions"])
def test_a_table_has_up_to_three_levels(table: str) -> None:
    assert outputs(table).jdbc == table


@pytest.mark.parametrize(
    ("jdbc", "message"),
    [
        ("", "should match pattern"),
        ("a; DROP TABLE a", "should match pattern"),
        ("a\n", "should match pattern"),
        ("a.b.c.d", "should match pattern"),
        ({"connection": "sales", "table": "a"}, "valid string"),
    ],
)
def test_what_is_not_allowed_is_refused(jdbc: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        outputs(jdbc)
