"""An inconsistent problem is rejected with the reason before any task runs."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from flight_delays.errors import DeclarationError
from flight_delays.spec.column_rules import ColumnRule

from tests.framework.unit.spec.orders import CUSTOMERS, ORDERS, ORDERS_PROBLEM, RETURNS


def test_what_the_tasks_ask_of_rows_follows_from_the_declarations() -> None:
    assert dict(ORDERS_PROBLEM.keys) == {"order_id": "BIGINT"}
    assert ORDERS_PROBLEM.columns == ("order_id", "shop", "customer", "ordered_at", "features_at")
    assert ORDERS_PROBLEM.metadata_columns == ("order_id", "customer", "ordered_at", "features_at")
    assert ORDERS_PROBLEM.feature_columns == ("shop", "country", "orders", "returns_share")
    assert CUSTOMERS.sources == ("orders", "returns")
    assert CUSTOMERS.lookup_key == ("customer",)
    assert ORDERS.schema == (
        "order_id BIGINT NOT NULL, ordered_at TIMESTAMP, shop STRING, customer STRING NOT NULL"
    )


def spine(**changes: Any) -> dict[str, Any]:
    return {"spine": replace(ORDERS_PROBLEM.spine, **changes)}


def label(**changes: Any) -> dict[str, Any]:
    return {"label": replace(ORDERS_PROBLEM.label, **changes)}


def table(**changes: Any) -> dict[str, Any]:
    return {"feature_tables": (replace(CUSTOMERS, **changes),)}


def orders(**changes: Any) -> dict[str, Any]:
    return {"sources": (replace(ORDERS, **changes), RETURNS)}


def keyed(kind: str) -> dict[str, Any]:
    return orders(columns={**ORDERS.columns, "customer": kind}, fill={}, rules=CUSTOMER_REQUIRED)


CUSTOMER_REQUIRED = {"customer": ColumnRule(required=True)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (spine(source="order"), "Spine.source: got order; allowed: the sources: orders, returns."),
        (spine(decision_at="at"), "Spine: got at; allowed: the columns of the source orders: "),
        (spine(features=("shop", "colour")), "Spine: got colour; allowed: "),
        (spine(lookups=("client",)), "Spine: got client; allowed: "),
        (label(source="refunds"), "Label.source: got refunds; allowed: the sources: "),
        (label(column="back"), "Label: got back; allowed: the columns of the source returns: "),
        (label(known_at="at"), "Label: got at; allowed: the columns of the source returns: "),
        (
            {"sources": (ORDERS, replace(RETURNS, columns={"returned": "DOUBLE"}))},
            "Source returns, primary_keys: got order_id; allowed: the columns: returned.",
        ),
        (
            orders(rules={"colour": ColumnRule(required=True)}),
            "Source orders, rules: got colour; allowed: the columns: order_id, ",
        ),
        (
            orders(dated_by="at"),
            "Source orders, dated_by: got at; allowed: the columns: order_id, ",
        ),
        (
            orders(fill={"order_id": "none"}),
            "Source orders, fill: got order_id; allowed: the columns of type STRING: shop, ",
        ),
        (table(name="quarantine"), "sources and feature_tables: got quarantine twice; "),
        (table(name="watermarks"), "sources and feature_tables: got watermarks twice; "),
        (table(sql="SELECT 1 FROM {orderz}"), "FeatureTable customer_features, sql: got orderz; "),
        (
            table(primary_keys=("client", "known_at")),
            "FeatureTable customer_features, primary_keys: got client; allowed: the columns of "
            "the spine: order_id, shop, customer, ordered_at.",
        ),
        (
            table(timeseries_column="at"),
            "FeatureTable customer_features, timeseries_column: got at; allowed: the primary "
            "keys: customer, known_at.",
        ),
        (table(name="orders"), "sources and feature_tables: got orders twice; "),
        ({"time_zone": "Europe/Nowhere"}, "time_zone: got 'Europe/Nowhere'; allowed: an IANA"),
        ({"time_zone": ""}, "time_zone: got ''"),
        ({"time_zone": "../UTC"}, "time_zone: got '../UTC'"),
        ({"sources": (ORDERS, RETURNS, ORDERS)}, "sources and feature_tables: got orders twice"),
        (table(numerical=("shop",)), "columns of a training set: got shop twice; "),
        (table(numerical=("returned",)), "columns of a training set: got returned twice; "),
        (table(numerical=("order_id",)), "columns of a training set: got order_id twice; "),
        ({"intended_use": " "}, "intended_use: got nothing; allowed: a sentence or more."),
        ({"limits": ""}, "limits: got nothing; allowed: a sentence or more."),
        ({"feature_tables": (CUSTOMERS, replace(CUSTOMERS, name="more"))}, "columns of a tra"),
    ],
)
def test_a_declaration_that_names_what_is_not_there_or_twice_is_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        replace(ORDERS_PROBLEM, **changes)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            table(fresh_within=timedelta(minutes=74)),
            "fresh_within: got 1:14:00; allowed: 1:15:00 or more: features are refreshed every "
            "1:00:00 and published 0:15:00 later.",
        ),
        (
            table(lookback=timedelta(minutes=119)),
            "lookback: got 1:59:00; allowed: 2:00:00 or more, the age that fresh_within allows.",
        ),
        (
            table(primary_keys=("customer",), timeseries_column=None),
            "sql: got returns, which has the label, and no timeseries_column; allowed: sources "
            "without the label, or rows with a time.",
        ),
        (
            table(primary_keys=("features_at", "known_at")),
            "primary_keys: got features_at; allowed: the columns of the spine: order_id, ",
        ),
        (
            table(primary_keys=("ordered_at", "known_at")),
            "primary_keys: got ordered_at TIMESTAMP; allowed: STRING, BIGINT, ",
        ),
        *(
            (keyed(kind), f"primary_keys: got customer {kind}; allowed: STRING, BIGINT, ")
            for kind in ("TIMESTAMP", "DATE", "DOUBLE", "FLOAT", "DECIMAL(10, 0)", "timestamp_ntz")
        ),
        (
            orders(fill={}),
            "primary_keys: got customer, which may be missing in rows of the source orders; ",
        ),
    ],
)
def test_features_that_a_request_would_not_find_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        replace(ORDERS_PROBLEM, **changes)
    said = str(refused.value).lower()
    assert said.startswith(f"featuretable customer_features, {message}".lower())


@pytest.mark.parametrize(
    "changes",
    [
        table(fresh_within=timedelta(minutes=75)),
        table(lookback=timedelta(hours=2)),
        table(primary_keys=("customer",), timeseries_column=None, sql="SELECT * FROM {orders}"),
        orders(fill={}, rules=CUSTOMER_REQUIRED),
        *(keyed(kind) for kind in ("STRING", "bigint", "INT", "SMALLINT", "BOOLEAN")),
    ],
)
def test_features_that_a_request_finds_in_time_are_allowed(changes: dict[str, Any]) -> None:
    replace(ORDERS_PROBLEM, **changes)


def test_inputs_are_texts_or_numbers_by_what_is_declared() -> None:
    assert ORDERS_PROBLEM.categorical_columns == ("shop", "country")
    assert ORDERS_PROBLEM.numerical_columns == ("orders", "returns_share")
    counted = replace(ORDERS, columns={**ORDERS.columns, "shop": "BIGINT"})
    other = replace(ORDERS_PROBLEM, sources=(counted, RETURNS))
    assert (other.categorical_columns, other.numerical_columns) == (
        ("country",),
        ("shop", "orders", "returns_share"),
    )
