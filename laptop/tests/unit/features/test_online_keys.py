"""Keys case by case; what is expected was had from PostgreSQL 16 by psycopg 3 and SQLAlchemy 2."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from laptop.features.errors import FeatureError
from laptop.features.online import OnlineStore
from laptop.features.types import arrow_type

from ...tables import feature_table

NAN = float("nan")
BIG = 2**53 + 1
NOON = datetime(2013, 1, 1, 12, tzinfo=UTC)
DAY = date(2013, 1, 1)

STORED: dict[str, list[Any]] = {
    "tinyint": [5],
    "smallint": [5],
    "int": [5],
    "bigint": [5, BIG, BIG - 1, -BIG, 2**63 - 1],
    "string": ["5", "EWR"],
    "boolean": [True, False],
    "date": [DAY],
    "timestamp": [NOON],
    "double": [0.1, 0.5, 1e300, 0.0],
    "float": [0.1, 0.5, 1 / 3, 16777216.0],
    "decimal(10,2)": [Decimal("12.30"), Decimal("0.50")],
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OnlineStore]:
    store = OnlineStore(tmp_path)
    yield store
    store.close()


def hits(store: OnlineStore, kind: str, *keys: Any) -> str:
    """Return a letter for each key: h for a row that was found, - for none."""
    table = feature_table("c.s.t", ["k"], k=kind, f="string")
    stored = STORED[kind]
    rows = pa.table({"k": pa.array(stored, arrow_type(kind)), "f": ["h"] * len(stored)})
    store.publish(table, rows, store="s", online_table="c.s.o")
    found = store.lookup(store.find(table.name, ["f"]), [(key,) for key in keys], ["f"])
    return "".join(row["f"] or "-" for row in found)


@pytest.mark.parametrize(
    ("kind", "keys", "expected"),
    [
        *((kind, (5, 6, None), "h--") for kind in ("tinyint", "smallint", "int", "bigint")),
        ("int", (5,), "h"),
        ("int", (5.0,), "h"),
        ("int", ("5",), "-"),
        ("int", (NAN,), "-"),
        ("bigint", (BIG,), "h"),
        ("bigint", (BIG, BIG + 1, -BIG, 2**63 - 1), "h-hh"),
        ("bigint", (5.5,), "-"),
        ("string", ("EWR",), "h"),
        ("string", ("EWR", "JFK", None), "h--"),
        ("string", (None,), "-"),
        ("string", (None, None), "--"),
        ("string", (5, 6), "--"),
        ("string", (NAN, NAN), "--"),
        ("boolean", (True,), "h"),
        ("boolean", (True, False, None), "hh-"),
        ("date", (pd.Timestamp(DAY),), "-"),
        ("date", (pd.Timestamp(DAY), pd.Timestamp("2013-01-02")), "--"),
        ("date", (pd.NaT,), "-"),
        ("date", (DAY,), "h"),
        ("timestamp", (pd.Timestamp(NOON).tz_localize(None),), "-"),
        ("timestamp", (NOON.replace(tzinfo=None), NOON), "-h"),
        ("double", (0.1, 0.5, 0.2, None, -0.0), "hh--h"),
        ("double", (NAN, 0.5), "-h"),
        ("float", (0.5, 16777216.0, 0.25), "hh-"),
        ("float", (float(np.float32(0.1)), float(np.float32(1 / 3))), "--"),
        ("decimal(10,2)", (0.5, 0.25, 12.3), "h--"),
        ("decimal(10,2)", (Decimal("12.3"), Decimal(1)), "h-"),
    ],
)
def test_a_key_matches_where_python_finds_it_equal_to_what_the_store_returns(
    store: OnlineStore, kind: str, keys: tuple[Any, ...], expected: str
) -> None:
    assert hits(store, kind, *keys) == expected


@pytest.mark.parametrize(
    ("kind", "keys", "message"),
    [
        ("string", (5,), "operator does not exist"),
        ("string", (NAN,), "operator does not exist"),
        ("string", ("EWR", NAN), "mixed types; got: float, str"),
        ("string", ("EWR", 5), "mixed types; got: int, str"),
        ("boolean", (1,), "operator does not exist"),
        ("int", (True,), "operator does not exist"),
        ("int", (5, NAN), "mixed types; got: float, int"),
        ("int", (NAN, NAN), "out of range"),
        ("date", (pd.Timestamp(DAY), pd.NaT), "invalid input syntax"),
        ("timestamp", (pd.NaT, pd.NaT), "invalid input syntax"),
    ],
)
def test_keys_that_cannot_be_asked_for_fail(
    store: OnlineStore, kind: str, keys: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(FeatureError, match=message):
        hits(store, kind, *keys)


@pytest.mark.parametrize("kind", ["array<int>", "binary"])
def test_a_key_of_another_type_is_not_published(store: OnlineStore, kind: str) -> None:
    rows = pa.table({"k": pa.array(["x"]), "f": ["h"]})
    table = feature_table("c.s.t", ["k"], k=kind, f="string")
    with pytest.raises(FeatureError, match="Use BIGINT or STRING"):
        store.publish(table, rows, store="s", online_table="c.s.o")
