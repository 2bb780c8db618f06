"""A small problem: whether an order is returned."""

from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel

from flight_delays.evaluation.model_types import BINARY_CLASSIFICATION, Estimator
from flight_delays.spec.problem import Label, Problem, Spine
from flight_delays.spec.refresh import Refresh
from flight_delays.spec.tables import FeatureTable, Source


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
    fill={"customer": "unknown"},
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
    fresh_within=timedelta(hours=2),
    lookback=None,
    categorical=("country",),
    numerical=("orders", "returns_share"),
    description="A customer, at each of his orders.",
    sql="SELECT * FROM {orders} JOIN {returns} USING (order_id)",
)
ORDERS_PROBLEM = Problem(
    description="Chance that an order comes back.",
    intended_use="For shops that plan their storage.",
    limits="Says nothing of gifts.",
    model_type=BINARY_CLASSIFICATION,
    sources=(ORDERS, RETURNS),
    feature_tables=(CUSTOMERS,),
    refresh=Refresh(every=timedelta(hours=1), delay=timedelta(minutes=15)),
    time_zone="UTC",
    spine=Spine(
        source="orders", decision_at="ordered_at", features=("shop",), lookups=("customer",)
    ),
    label=Label(source="returns", column="returned", known_at="known_at"),
    hyperparameters=BaseModel,
    build_model=build,
    heuristic_baseline=guess,
    requirements=(),
)
