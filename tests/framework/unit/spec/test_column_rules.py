"""Invalid rows are found in SQL for any type of the values."""

import json
from datetime import datetime
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from flight_delays.errors import ColumnMissingError
from flight_delays.spec.column_rules import ColumnRule
from flight_delays.spec.tables import Source

NOON = datetime(2024, 5, 1, 12)
STRICT = "order_id BIGINT, at TIMESTAMP, shop STRING, price DOUBLE, pieces BIGINT"
LOOSE = "order_id STRING, at STRING, shop STRING, price STRING, pieces DOUBLE, note STRING"
SOUND: dict[str, Any] = {"order_id": 1, "at": NOON, "shop": "north", "price": 9.5, "pieces": 2}
AS_TEXT: dict[str, Any] = {
    **SOUND, "order_id": "1", "at": "2024-05-01 12:00:00", "price": "9.5", "pieces": 2.0,
    "note": "",
}  # fmt: skip


def read(*_: Any) -> Any:
    raise AssertionError("nothing is read")


ORDERS = Source(
    name="orders",
    primary_keys=("order_id",),
    columns={
        "order_id": "BIGINT", "at": "TIMESTAMP", "shop": "STRING", "price": "DOUBLE",
        "pieces": "BIGINT",
    },
    description="An order.",
    read=read,
    rules={
        "at": ColumnRule(required=True),
        "shop": ColumnRule(allowed=("north", "o'hare")),
        "price": ColumnRule(min=0, max=100),
        "pieces": ColumnRule(min=1),
    },
)  # fmt: skip


def check(spark: SparkSession, rows: list[dict[str, Any]], schema: str = STRICT) -> list[Row]:
    return ORDERS.check(spark.createDataFrame([Row(**row) for row in rows], schema)).collect()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"shop": "o'hare", "price": 0.0, "pieces": 1}, ""),
        ({"shop": None, "price": None, "pieces": None}, ""),
        ({"price": 100.0}, ""),
        ({"order_id": None}, "order_id is missing"),
        ({"at": None}, "at is missing"),
        ({"price": -0.01}, "price is below 0"),
        ({"price": 100.01}, "price is above 100"),
        ({"price": float("inf")}, "price is above 100"),
        ({"price": float("nan")}, "price is not a number"),
        ({"shop": "south"}, "shop is none of north, o'hare"),
        ({"at": None, "pieces": 0}, "at is missing; pieces is below 1"),
    ],
)
def test_a_row_is_bad_by_the_rules_of_its_columns(
    spark: SparkSession, changes: dict[str, Any], reason: str
) -> None:
    (row,) = check(spark, [SOUND | changes])
    assert row["_reason"] == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"price": None}, ""),
        ({"order_id": "one"}, "order_id is no BIGINT"),
        ({"at": "2024-13-01"}, "at is no TIMESTAMP"),
        ({"price": "cheap"}, "price is no DOUBLE"),
        ({"price": "NaN"}, "price is not a number"),
        ({"price": "101"}, "price is above 100"),
        ({"pieces": 1.5}, "pieces is no BIGINT"),
    ],
)
def test_values_of_another_type_are_taken_where_they_mean_the_same(
    spark: SparkSession, changes: dict[str, Any], reason: str
) -> None:
    (row,) = check(spark, [AS_TEXT | changes], LOOSE)
    assert row["_reason"] == reason
    if not changes:
        assert {column: row[column] for column in ORDERS.columns} == SOUND


def test_equal_rows_become_one_and_contradicting_rows_are_bad_all_of_them(
    spark: SparkSession,
) -> None:
    other = SOUND | {"order_id": 2}
    rows = check(spark, [SOUND, SOUND, SOUND, other, other | {"price": 9.6}, other])
    found = sorted((row["order_id"], row["price"], row["_times"], row["_reason"]) for row in rows)
    contradiction = "rows of this key contradict each other"
    assert found == [(1, 9.5, 3, ""), (2, 9.5, 2, contradiction), (2, 9.6, 1, contradiction)]


def test_keys_that_come_to_the_same_value_contradict_each_other(spark: SparkSession) -> None:
    rows = check(spark, [AS_TEXT, AS_TEXT | {"order_id": "01"}], LOOSE)
    assert ["contradict" in row["_reason"] for row in rows] == [True, True]


def test_a_bad_row_is_told_as_it_came(spark: SparkSession) -> None:
    (row,) = check(spark, [AS_TEXT | {"price": "cheap"}], LOOSE)
    kept = {name: value for name, value in AS_TEXT.items() if name != "note"}
    assert json.loads(row["_content"]) == kept | {"price": "cheap"}
    assert json.loads(row["_key"]) == {"order_id": "1"}


def test_a_missing_column_is_refused_with_those_there_are(spark: SparkSession) -> None:
    rows = spark.createDataFrame([Row(order_id=1, at=NOON)], "order_id BIGINT, at TIMESTAMP")
    message = r"orders: .* no column shop, price, pieces; they have order_id, at\. Correct"
    with pytest.raises(ColumnMissingError, match=message):
        ORDERS.check(rows)
