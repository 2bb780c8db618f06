"""A table of another database in conf/outputs.yml."""

import pytest
from pydantic import ValidationError

from flight_delays.config.outputs import Outputs, load_outputs


def outputs(jdbc: object) -> Outputs:
    return Outputs.model_validate({"files": "none", "jdbc": jdbc, "lookback_days": 7})


def test_no_table_is_written_by_default() -> None:
    assert load_outputs().jdbc is None


@pytest.mark.parametrize("table", ["predictions", "sales.predictions", "db.sales.predictions"])
def test_a_table_has_up_to_three_levels(table: str) -> None:
    found = outputs({"connection": "sales", "table": table}).jdbc
    assert found is not None
    assert (found.connection, found.table) == ("sales", table)


@pytest.mark.parametrize(
    ("jdbc", "message"),
    [
        ("sales", "JdbcOutput"),
        ({"connection": "sales"}, r"table\s+Field required"),
        ({"connection": "", "table": "a"}, "at least 1 character"),
        ({"connection": "sales", "table": "a; DROP TABLE a"}, "should match pattern"),
        ({"connection": "sales", "table": "a\n"}, "should match pattern"),
        ({"connection": "sales", "table": "a.b.c.d"}, "should match pattern"),
        ({"connection": "sales", "table": "a", "password": "p"}, "Extra inputs"),
    ],
)
def test_what_is_not_allowed_is_refused(jdbc: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        outputs(jdbc)
