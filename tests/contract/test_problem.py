"""A problem that does not hold together is refused by what is wrong, before anything runs."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from pydantic import BaseModel

from flight_delays.contract import (
    DeclarationError,
    Estimator,
    FeatureTable,
    Label,
    Problem,
    Source,
    Spine,
)
from flight_delays.lifecycle import BINARY


def read(*_: Any) -> Any:
    raise AssertionError("nothing is read")


def build(_: BaseModel) -> Estimator:
    raise AssertionError("nothing is built")


def guess(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
    return np.zeros(len(rows))


ORDERS = Source(
    name="orders",
    primary_keys=("order_id",),
    columns={
        "order_id": "BIGINT", "ordered_at": "TIMESTAMP", "shop": "STRING", "customer": "STRING",
    },
    description="An order.",
    read=read,
)  # fmt: skip
RETURNS = Source(
    name="returns",
    primary_keys=("order_id",),
    columns={"order_id": "BIGINT", "returned": "DOUBLE", "known_at": "TIMESTAMP"},
    description="Whether an order came back.",
    read=read,
)
CUSTOMERS = FeatureTable(
    name="customer_features",
    primary_keys=("customer", "known_at"),
    timeseries_column="known_at",
    lookback=None,
    texts=("country",),
    numbers=("orders", "returns_share"),
    description="A customer, at each of his orders.",
    sql="SELECT * FROM {orders} JOIN {returns} USING (order_id)",
)
SOUND = Problem(
    description="Chance that an order comes back.",
    kind=BINARY,
    sources=(ORDERS, RETURNS),
    feature_tables=(CUSTOMERS,),
    spine=Spine(
        source="orders", decision_at="ordered_at", features=("shop",), lookups=("customer",)
    ),
    label=Label(source="returns", column="returned", known_at="known_at"),
    hyperparameters=BaseModel,
    build_model=build,
    rule_of_thumb=guess,
    by_value=(),
    requirements=(),
)


def test_what_the_tasks_ask_of_rows_follows_from_the_declarations() -> None:
    assert dict(SOUND.keys) == {"order_id": "BIGINT"}
    assert SOUND.columns == ("order_id", "shop", "customer", "ordered_at")
    assert SOUND.excluded == ("order_id", "customer", "ordered_at")
    assert SOUND.inputs == ("shop", "country", "orders", "returns_share")
    assert CUSTOMERS.sources == ("orders", "returns")
    assert CUSTOMERS.lookup_key == ("customer",)
    assert ORDERS.schema.startswith("order_id BIGINT NOT NULL, ordered_at TIMESTAMP,")


def spine(**changes: Any) -> dict[str, Any]:
    return {"spine": replace(SOUND.spine, **changes)}


def label(**changes: Any) -> dict[str, Any]:
    return {"label": replace(SOUND.label, **changes)}


def table(**changes: Any) -> dict[str, Any]:
    return {"feature_tables": (replace(CUSTOMERS, **changes),)}


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
        ({"sources": (ORDERS, RETURNS, ORDERS)}, "sources and feature_tables: got orders twice"),
        (table(numbers=("shop",)), "columns of a training set: got shop twice; "),
        (table(numbers=("returned",)), "columns of a training set: got returned twice; "),
        (table(numbers=("order_id",)), "columns of a training set: got order_id twice; "),
        ({"feature_tables": (CUSTOMERS, replace(CUSTOMERS, name="more"))}, "columns of a tra"),
    ],
)
def test_a_declaration_that_names_what_is_not_there_or_twice_is_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        replace(SOUND, **changes)
    assert str(refused.value).startswith(message)
