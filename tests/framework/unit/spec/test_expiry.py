"""Null rows that expire old features in a store without look-back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import SparkSession

from flight_delays.config.policy import BEGINNING

from tests.framework.unit.spec.orders import CUSTOMERS

TEN = datetime(2026, 6, 1, 10, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
ENDS = TEN + 2 * HOUR + SECOND
TABLE = replace(CUSTOMERS, lookback=2 * HOUR)
ROWS = [
    ("alone", TEN, "NL", 1.0, None),
    ("again in time", TEN, "NL", 1.0, None),
    ("again in time", TEN + HOUR, "NL", 2.0, 0.5),
    ("again just then", TEN, None, 1.0, None),
    ("again just then", ENDS, None, 2.0, None),
    ("again too late", TEN, None, None, 0.5),
    ("again too late", ENDS + SECOND, "NL", 2.0, None),
    ("unknown before", TEN, None, None, None),
]


@pytest.fixture(scope="module")
def stored(spark: SparkSession) -> SparkSession:
    schema = (
        "customer STRING, known_at TIMESTAMP, country STRING, orders DOUBLE, returns_share DOUBLE"
    )
    spark.createDataFrame(ROWS, schema).createOrReplaceTempView("expiring")
    return spark


@pytest.mark.parametrize(
    ("since", "as_of", "ended"),
    [
        (BEGINNING, ENDS, []),
        (BEGINNING, ENDS + SECOND, ["again too late", "alone"]),
        (ENDS, ENDS + SECOND, ["again too late", "alone"]),
        (ENDS + SECOND, ENDS + HOUR, []),
        (BEGINNING, ENDS + HOUR, ["again too late", "alone"]),
        (BEGINNING, ENDS + 3 * HOUR, ["again in time", "again just then", "again too late",
                                      "again too late", "alone"]),
    ],
)  # fmt: skip
def test_a_key_gets_a_row_of_nulls_when_its_latest_row_is_older_than_the_look_back(
    stored: SparkSession, since: datetime, as_of: datetime, ended: list[str]
) -> None:
    rows = TABLE.expire(stored, "expiring", since, as_of)
    assert rows.columns == [*TABLE.primary_keys, *TABLE.features]
    assert dict(rows.dtypes)["country"] == "string"
    assert dict(rows.dtypes)["orders"] == "double"
    found = rows.selectExpr("*", "unix_timestamp(known_at) AS at").collect()
    assert sorted(row["customer"] for row in found) == ended
    assert all(row[name] is None for row in found for name in TABLE.features)
    latest = {"alone": TEN, "again in time": TEN + HOUR, "again just then": ENDS}
    expected = {customer: at + 2 * HOUR + SECOND for customer, at in latest.items()}
    for row in found:
        if row["customer"] in expected:
            assert datetime.fromtimestamp(row["at"], UTC) == expected[row["customer"]]
