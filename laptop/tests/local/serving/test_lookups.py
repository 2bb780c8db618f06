"""Look-ups of an endpoint, as the client of Databricks' serving containers does them."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from databricks.sdk.errors import BadRequest
from databricks.sdk.service.serving import ServingEndpointsAPI
from laptop.features.models import log_model
from laptop.features.online import OnlineStore
from laptop.features.spec import FeatureColumn, FeatureSpec, InputTable, SourceColumn
from laptop.features.types import arrow_type
from mlflow.types import ColSpec, Schema
from sklearn.base import BaseEstimator

from ...tables import feature_table
from .conftest import Workspace, config, entity, quietly, settle

SOURCE = "dev.shop.known"
NOON = datetime(2013, 11, 1, 12, tzinfo=UTC)
BIG = 2**53 + 1

FEATURES: dict[str, tuple[str, Any]] = {
    "f_int": ("int", 7),
    "f_bigint": ("bigint", BIG),
    "f_float": ("float", 0.1),
    "f_double": ("double", 0.1),
    "f_boolean": ("boolean", True),
    "f_string": ("string", "s"),
    "f_date": ("date", date(2013, 11, 1)),
    "f_timestamp": ("timestamp", NOON),
    "f_decimal": ("decimal(6,2)", Decimal("1.50")),
    "f_array": ("array<double>", [0.5, None]),
    "f_default": ("double", None),
}
KEYS: dict[str, tuple[str, Any]] = {
    "string": ("string", "EWR"),
    "smallint": ("smallint", 5),
    "int": ("int", 5),
    "bigint": ("bigint", BIG),
    "boolean": ("boolean", True),
    "double": ("double", 0.1),
    "float": ("float", 0.5),
    "date": ("date", date(2013, 11, 1)),
    "timestamp": ("timestamp", NOON),
}


class Shown(BaseEstimator):  # type: ignore[misc]
    """Predicts what it is given: for each row the dtype and the value of each column, as JSON."""

    def predict(self, frame: pd.DataFrame) -> Any:
        return np.array(
            [
                json.dumps({name: [str(frame[name].dtype), repr(row[name])] for name in frame})
                for row in frame.astype(object).to_dict("records")
            ],
            dtype=object,
        )


def feature(name: str, kind: str, key: str, table: str) -> FeatureColumn:
    default = "-1" if name == "f_default" else None
    return FeatureColumn(name, kind, table, name, (key,), default_value=default)


def publish(state_dir: Path, name: str, key: tuple[str, Any], features: dict[str, Any]) -> None:
    columns = {"key": key, **features}
    types = {column: kind for column, (kind, _) in columns.items()}
    table = feature_table(name, ["key"], **types)
    rows = {
        column: pa.array([value], arrow_type(kind)) for column, (kind, value) in columns.items()
    }
    store = OnlineStore(state_dir)
    store.publish(table, pa.table(rows), store="s", online_table=f"{name}_online")
    store.close()


def serve(endpoints: ServingEndpointsAPI, name: str, spec: FeatureSpec) -> None:
    """Serve a model that shows what it is given by an endpoint of its own."""
    with quietly():
        info = log_model(
            Shown(),
            name,
            mlflow.sklearn,
            spec,
            outputs=Schema([ColSpec("string")]),
            pip_requirements=["scikit-learn"],
            serialization_format="cloudpickle",
        )
        version = mlflow.register_model(info.model_uri, f"dev.shop.{name}").version
    served = entity(str(version), name=name, entity_name=f"dev.shop.{name}")
    endpoints.create(name, config=config(served))
    settle(endpoints, name)


def serve_key(workspace: Workspace, endpoints: ServingEndpointsAPI, name: str) -> None:
    """Serve a model whose one feature is looked up by a key of the type that `name` stands for."""
    table = f"dev.shop.by_{name}"
    publish(workspace.state_dir, table, KEYS[name], {"f": ("string", "hit")})
    columns = (SourceColumn("key", KEYS[name][0], include=False),)
    spec = FeatureSpec(columns, (feature("f", "string", "key", table),), (InputTable(table),))
    serve(endpoints, name, spec)


Asked = Callable[..., list[dict[str, list[str]]]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """Ask an endpoint by name; `known` looks all features up, the others are named after a key."""
    workspace = Workspace(tmp_path_factory.mktemp("lookups"))
    publish(workspace.state_dir, SOURCE, ("string", "EWR"), FEATURES)
    spec = FeatureSpec(
        (SourceColumn("origin", "string"), SourceColumn("distance", "double", include=False)),
        tuple(feature(name, kind, "origin", SOURCE) for name, (kind, _) in FEATURES.items()),
        (InputTable(SOURCE),),
    )
    with workspace.up() as endpoints:
        serve(endpoints, "known", spec)
        served = {"known"}

        def query(endpoint: str, *rows: dict[str, Any]) -> list[dict[str, list[str]]]:
            if endpoint not in served:
                serve_key(workspace, endpoints, endpoint)
                served.add(endpoint)
            answer = endpoints.query(endpoint, dataframe_records=list(rows))
            return [json.loads(text) for text in answer.predictions or []]

        yield query


def found(answer: list[dict[str, list[str]]]) -> list[bool]:
    return [row["f"][1] == "'hit'" for row in answer]


@pytest.mark.parametrize(
    ("name", "key", "other", "expected"),
    [
        ("string", "EWR", "JFK", True),
        pytest.param("smallint", 5, 6, True, marks=pytest.mark.nightly),
        ("int", 5, 6, True),
        ("bigint", BIG, BIG + 1, True),
        pytest.param("boolean", True, False, True, marks=pytest.mark.nightly),
        pytest.param("double", 0.1, 0.2, True, marks=pytest.mark.nightly),
        pytest.param("float", 0.5, 0.1, True, marks=pytest.mark.nightly),
        pytest.param("date", "2013-11-01", "2013-11-02", False, marks=pytest.mark.nightly),
        ("timestamp", "2013-11-01T12:00:00", "2013-11-01T13:00:00", False),
    ],
)
def test_times_and_days_never_match_and_the_other_types_do(
    ask: Asked, name: str, key: Any, other: Any, expected: bool
) -> None:
    assert found(ask(name, {"key": key})) == [expected]
    assert found(ask(name, {"key": other}, {"key": key})) == [False, expected]


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("string", [5]),
        ("string", ["EWR", 5]),
        ("bigint", [None]),
        ("int", [5, None]),
        ("timestamp", ["2013-11-01T12:00:00", None]),
    ],
)
def test_keys_that_cannot_be_asked_for_fail_the_request(
    ask: Asked, name: str, keys: list[Any]
) -> None:
    with pytest.raises(BadRequest):
        ask(name, *({"key": key} for key in keys))


def test_a_string_key_that_one_row_lacks_fails_the_request_and_a_null_does_not(ask: Asked) -> None:
    row = {"distance": 1.0}

    with pytest.raises(BadRequest):
        ask("known", {"origin": "EWR", **row}, row)

    both = ask("known", {"origin": "EWR", **row}, {"origin": None, **row})
    assert [each["f_string"][1] for each in both] == ["'s'", "None"]
    (alone,) = ask("known", {"origin": None, **row})
    assert alone["f_string"][1] == "None"


def test_features_are_what_pandas_makes_of_the_store_s_values(ask: Asked) -> None:
    (row,) = ask("known", {"origin": "EWR", "distance": 1.0})

    assert row == {
        "origin": ["object", "'EWR'"],
        "f_int": ["int64", "7"],
        "f_bigint": ["int64", str(BIG)],
        "f_float": ["float64", "0.1"],
        "f_double": ["float64", "0.1"],
        "f_boolean": ["bool", "True"],
        "f_string": ["object", "'s'"],
        "f_date": ["object", "datetime.date(2013, 11, 1)"],
        "f_timestamp": ["datetime64[ns, UTC]", "Timestamp('2013-11-01 12:00:00+0000', tz='UTC')"],
        "f_decimal": ["object", "Decimal('1.50')"],
        "f_array": ["object", "[0.5, None]"],
        "f_default": ["float64", "-1.0"],
    }


def test_a_column_without_a_value_is_none_and_one_with_a_gap_is_what_pandas_makes_of_it(
    ask: Asked,
) -> None:
    row = {"distance": 1.0}
    (alone,) = ask("known", {"origin": "LGA", **row})

    assert {n: v for n, v in alone.items() if n not in ("origin", "f_default")} == {
        name: ["object", "None"] for name in FEATURES if name != "f_default"
    }
    assert alone["f_default"] == ["float64", "-1.0"]

    known, unknown = ask("known", {"origin": "EWR", **row}, {"origin": "LGA", **row})
    assert [known["f_int"], unknown["f_int"]] == [["float64", "7.0"], ["float64", "nan"]]
    assert [known["f_boolean"], unknown["f_boolean"]] == [["object", "True"], ["object", "None"]]
    assert unknown["f_double"] == ["float64", "nan"]
    assert unknown["f_string"] == ["object", "None"]


def test_a_feature_in_the_request_overrides_all_rows_nulls_included(ask: Asked) -> None:
    row = {"origin": "EWR", "distance": 1.0}

    given, left_out = ask("known", {**row, "f_double": 5.0}, row)
    assert [given["f_double"], left_out["f_double"]] == [["float64", "5.0"], ["float64", "nan"]]
    assert left_out["f_int"] == ["int64", "7"]

    given, left_out = ask("known", {**row, "f_string": "x"}, row)
    assert [given["f_string"][1], left_out["f_string"][1]] == ["'x'", "nan"]

    (null,) = ask("known", {**row, "f_double": None})
    assert null["f_double"] == ["float64", "nan"]


def test_a_default_is_filled_before_the_override(ask: Asked) -> None:
    row = {"origin": "EWR", "distance": 1.0}

    given, left_out = ask("known", {**row, "f_default": 4.0}, row)

    assert [given["f_default"], left_out["f_default"]] == [["float64", "4.0"], ["float64", "nan"]]


def test_an_integer_feature_for_some_rows_only_fails_the_request(ask: Asked) -> None:
    row = {"origin": "EWR", "distance": 1.0}

    with pytest.raises(BadRequest, match="Failed to convert column f_int"):
        ask("known", {**row, "f_int": 5}, row)


def test_a_row_never_expires(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    publish(workspace.state_dir, "dev.shop.aged", ("string", "EWR"), {"f": ("string", "hit")})
    old = FeatureColumn("f", "string", "dev.shop.aged", "f", ("key",), "at")
    spec = FeatureSpec(
        (SourceColumn("key", "string", False), SourceColumn("at", "timestamp", False)),
        (old,),
        (InputTable("dev.shop.aged", lookback_window=1.0),),
    )
    with workspace.up() as endpoints:
        serve(endpoints, "aged", spec)
        rows = [{"key": "EWR", "at": f"{year}-01-01"} for year in (1999, 2099)]
        answer = endpoints.query("aged", dataframe_records=rows)

    assert found([json.loads(text) for text in answer.predictions or []]) == [True, True]
