"""The features that the jobs look up are those that an independent account finds."""

import pandas as pd
import pytest

from tests.conftest import SCHEMA, Laptop
from tests.problem.oracle import expected_features

pytestmark = pytest.mark.slow

LOOK_UP = f"""
from functools import partial
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.problem import PROBLEM
from flight_delays.tasks.parameters import in_schema

lakehouse = Lakehouse()
columns = ", ".join(PROBLEM.columns)
rows = lakehouse.spark.sql(
    f"SELECT {{columns}} FROM {SCHEMA}.flights WHERE flight % 100 = 7 "
    "AND decision_at >= TIMESTAMP '2013-01-03 00:00:00'"
).limit(250)
training_set = lakehouse.feature_store.create_training_set(
    df=rows, feature_lookups=PROBLEM.look_ups(partial(in_schema, "{SCHEMA}")), label=None,
)
training_set.load_df().toPandas().to_parquet(FILE)
"""


def test_training_set_agrees_with_what_was_known_at_each_decision(
    trained: Laptop, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = str(tmp_path_factory.mktemp("rows") / "rows.parquet")
    trained.execute(f"FILE = {file!r}\n{LOOK_UP}")
    rows = pd.read_parquet(file)
    assert len(rows) >= 200
    rows["time_hour"] = pd.to_datetime(rows["time_hour"], utc=True)
    expected = expected_features(rows[["time_hour", "carrier", "flight", "origin"]])
    assert set(expected) <= set(rows)
    for column in expected:
        got, wanted = rows[column], expected[column]
        assert (got.isna() == wanted.isna()).all(), column
        present = wanted.notna()
        if got.dtype == object:
            assert (got[present] == wanted[present]).all(), column
        else:
            assert got[present].to_numpy() == pytest.approx(
                wanted[present].astype(float).to_numpy(), abs=1e-9
            ), column
