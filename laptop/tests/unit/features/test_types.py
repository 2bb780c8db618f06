from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pytest
from laptop.features.errors import FeatureError
from laptop.features.types import arrow_type, model_frame, signature_type, simple_name
from mlflow.types import DataType
from mlflow.types.schema import Array


def test_a_model_sees_naive_utc_times_and_a_null_integer_as_nan() -> None:
    instant = datetime(2013, 1, 1, 5, tzinfo=UTC)
    table = pa.table(
        {
            "at": pa.array([instant, None], pa.timestamp("us", tz="America/New_York")),
            "n": pa.array([1, None], pa.int64()),
            "s": ["a", None],
        }
    )

    frame = model_frame(table)

    assert [str(kind) for kind in frame.dtypes] == ["datetime64[ns]", "float64", "object"]
    assert frame["at"][0] == pd.Timestamp("2013-01-01 05:00")
    assert frame["s"].tolist() == ["a", None]


@pytest.mark.parametrize(
    ("spelt", "simple"), [("long", "bigint"), ("INT", "int"), ("date", "date")]
)
def test_catalog_types_become_simple_names(spelt: str, simple: str) -> None:
    assert simple_name(spelt) == simple


def test_decimals_and_arrays_have_their_parts() -> None:
    assert arrow_type("decimal(10,2)") == pa.decimal128(10, 2)
    assert arrow_type("array<array<double>>") == pa.list_(pa.list_(pa.float64()))
    assert signature_type("array<float>") == Array(DataType.float)


@pytest.mark.parametrize("name", ["map<string,int>", "array<struct<a:int>>"])
def test_another_nested_type_is_refused_with_what_is_allowed(name: str) -> None:
    with pytest.raises(FeatureError, match=r"is not supported .* bigint"):
        arrow_type(name)


def test_a_signature_has_no_decimals() -> None:
    assert signature_type("decimal(10,2)") is None
    assert signature_type("array<decimal(10,2)>") is None
