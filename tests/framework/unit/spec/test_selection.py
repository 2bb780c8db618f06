"""Rows for training and scoring: none outside the interval, no labels from the future."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from flight_delays.errors import UnusableInputError
from flight_delays.spec.selection import (
    find_columns,
    sample_days,
    select_labelled_rows,
    select_open_rows,
    select_rows,
)
from flight_delays.spec.tables import Source
from flight_delays.spec.windows import Interval

from tests.framework.unit.spec.orders import ORDERS, ORDERS_PROBLEM, RETURNS, read

JUNE, JULY, AUGUST = (datetime(2026, month, 1, tzinfo=UTC) for month in (6, 7, 8))
MINUTE = pd.Timedelta(minutes=1)


def qualify(name: str) -> str:
    return f"selected_{name}"


@pytest.fixture(scope="module")
def tables(spark: SparkSession) -> SparkSession:
    """Orders around the boundaries of June, and their labels around those of August."""
    ordered = [JUNE - MINUTE, JUNE, JUNE + MINUTE, JULY - MINUTE, JULY]
    orders = pd.DataFrame(
        {
            "order_id": range(5),
            "ordered_at": ordered,
            "shop": "web",
            "customer": ["a", "b", "a", None, "c"],
        }
    )
    returns = pd.DataFrame(
        {
            "order_id": range(5),
            "returned": [0, 1, 0, 1, 0],
            "known_at": [JULY, AUGUST - MINUTE, AUGUST, JULY, JULY],
            "state": ["done", "done", "done", "lost", "done"],
        }
    )
    spark.createDataFrame(orders).createOrReplaceTempView(qualify("orders"))
    spark.createDataFrame(returns).createOrReplaceTempView(qualify("returns"))
    return spark


def ids(rows: Any) -> list[int]:
    return sorted(row["order_id"] for row in rows.collect())


def test_rows_are_those_decided_from_the_start_on_and_before_the_end(tables: SparkSession) -> None:
    rows = select_rows(tables, ORDERS_PROBLEM, qualify, Interval(JUNE, JULY))
    assert ids(rows) == [1, 2, 3]
    assert tuple(rows.columns) == ORDERS_PROBLEM.columns


@pytest.mark.parametrize(
    ("as_of", "known"), [(AUGUST, [1, 3]), (AUGUST + MINUTE, [1, 2, 3]), (JULY, [])]
)
def test_a_label_that_is_not_known_before_as_of_is_not_there(
    tables: SparkSession, as_of: datetime, known: list[int]
) -> None:
    rows = select_labelled_rows(tables, ORDERS_PROBLEM, qualify, Interval(JUNE, JULY), as_of)
    assert ids(rows) == known
    assert tuple(rows.columns) == (*ORDERS_PROBLEM.columns, "returned")
    assert dict(rows.dtypes)["returned"] == "double"


def test_rows_that_the_condition_leaves_out_have_no_label(tables: SparkSession) -> None:
    problem = replace(ORDERS_PROBLEM, label=replace(ORDERS_PROBLEM.label, where="state = 'done'"))
    rows = select_labelled_rows(tables, problem, qualify, Interval(JUNE, JULY), AUGUST)
    assert ids(rows) == [1]


REGISTER = Source(
    name="register",
    primary_keys=("customer",),
    columns={"customer": "STRING", "town": "STRING", "shop": "STRING", "country": "STRING"},
    description="A customer.",
    read=read,
)
BASKETS = Source(
    name="baskets",
    primary_keys=("basket",),
    columns={"basket": "BIGINT", "colour": "STRING"},
    description="A basket, which no order names.",
    read=read,
)
NOTED = replace(ORDERS, columns={**ORDERS.columns, "note": "STRING"})
WIDER = replace(ORDERS_PROBLEM, sources=(NOTED, RETURNS, REGISTER, BASKETS))


def test_further_columns_come_from_the_spine_s_source_or_one_that_its_rows_name(
    tables: SparkSession,
) -> None:
    noted = tables.table(qualify("orders")).selectExpr("*", "concat('n', order_id) AS note")
    noted.createOrReplaceTempView("noted_orders")
    tables.table(qualify("returns")).createOrReplaceTempView("noted_returns")
    register = pd.DataFrame({"customer": ["a"], "town": ["Ulm"], "shop": ["x"], "country": ["DE"]})
    tables.createDataFrame(register).createOrReplaceTempView("noted_register")
    rows = select_labelled_rows(
        tables, WIDER, lambda name: f"noted_{name}", Interval(JUNE, JULY), AUGUST + MINUTE,
        ["note", "town", "shop", "country", "customer"],
    )  # fmt: skip
    # The shop is a column of the spine, the country a looked-up feature.
    assert tuple(rows.columns) == (*WIDER.columns, "returned", "note", "town")
    found = {row["order_id"]: (row["note"], row["town"], row["shop"]) for row in rows.collect()}
    assert found == {
        1: ("n1", None, "web"), 2: ("n2", "Ulm", "web"), 3: ("n3", None, "web"),
    }  # fmt: skip


@pytest.mark.parametrize("column", ["colour", "twon", "returned", "known_at"])
def test_further_column_that_is_not_there_is_refused_with_those_that_are(column: str) -> None:
    with pytest.raises(UnusableInputError) as refused:
        find_columns(WIDER, ["note", column])
    assert str(refused.value) == (
        f"validation.slices.columns: got {column}; allowed: a column of the source orders, of "
        "another source whose primary keys it has, or a feature: country, customer, features_at, "
        "note, order_id, ordered_at, orders, returns_share, shop, town. Correct the name in the "
        "policy, or leave the column out."
    )


def instants(rows: Any) -> dict[int, datetime]:
    return {
        row["order_id"]: datetime.fromtimestamp(row["at"], UTC)
        for row in rows.selectExpr("order_id", "unix_timestamp(features_at) AS at").collect()
    }


def test_features_are_looked_up_as_of_what_was_online_at_the_decision(tables: SparkSession) -> None:
    interval, hour = Interval(JUNE, JULY), timedelta(hours=1)
    # Refreshed hourly and online 15 minutes later.
    online = {1: JUNE - hour, 2: JUNE - hour, 3: JULY - hour}
    assert instants(select_rows(tables, ORDERS_PROBLEM, qualify, interval)) == online
    labelled = select_labelled_rows(tables, ORDERS_PROBLEM, qualify, interval, AUGUST)
    assert instants(labelled) == {order: online[order] for order in (1, 3)}


def test_features_are_looked_up_as_of_no_later_instant_than_what_is_known(
    tables: SparkSession,
) -> None:
    known_by = JUNE + timedelta(days=1)
    rows = select_rows(tables, ORDERS_PROBLEM, qualify, Interval(JUNE, JULY), known_by)
    assert instants(rows)[3] == known_by
    assert instants(rows)[1] == JUNE - timedelta(hours=1)


def test_open_rows_are_those_of_whose_outcome_nothing_is_known_by_then(
    tables: SparkSession,
) -> None:
    interval = Interval(JUNE, JULY)
    assert ids(select_open_rows(tables, ORDERS_PROBLEM, qualify, interval, AUGUST)) == [2]
    opened = select_open_rows(tables, ORDERS_PROBLEM, qualify, interval, JULY)
    assert ids(opened) == [1, 2, 3]
    assert tuple(opened.columns) == ORDERS_PROBLEM.columns
    closed = select_open_rows(tables, ORDERS_PROBLEM, qualify, interval, AUGUST + MINUTE)
    assert ids(closed) == []


@pytest.fixture
def month(spark: SparkSession) -> DataFrame:
    """Rows of three days: one on the first, ten on the second, twenty on the third."""
    days = [0] + [1] * 10 + [2] * 20
    decided = [JUNE + timedelta(days=day, minutes=number) for number, day in enumerate(days)]
    rows = [(number, at) for number, at in enumerate(decided)]
    return spark.createDataFrame(rows, "order_id BIGINT, ordered_at TIMESTAMP")


def test_as_many_rows_as_allowed_are_all_kept(month: DataFrame) -> None:
    kept, total = sample_days(month, ORDERS_PROBLEM, 31)
    assert (kept.count(), total) == (31, 31)


def test_sample_keeps_each_day_and_its_share_and_is_the_same_each_time(month: DataFrame) -> None:
    kept, total = sample_days(month, ORDERS_PROBLEM, 10)
    again, _ = sample_days(month.orderBy("order_id", ascending=False), ORDERS_PROBLEM, 10)
    assert total == 31
    assert kept.columns == month.columns
    assert ids(kept) == ids(again)
    days = Counter(row["day"] for row in kept.selectExpr("to_date(ordered_at) AS day").collect())
    assert sorted(days.values()) == [1, 4, 7]
