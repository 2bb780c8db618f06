"""The features looked up by the jobs equal an independent computation."""

import pandas as pd
import pytest

from tests.conftest import SCHEMA, Laptop
from tests.framework.problem.oracle import expected_features, found_at

LOOK_UP = f"""
from datetime import UTC, datetime
from functools import partial
from flight_delays.spec.selection import select_rows
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.spec.windows import Interval
from flight_delays.problem import PROBLEM
from flight_delays.tasks.parameters import in_schema

lakehouse, qualify = Lakehouse(), partial(in_schema, "{SCHEMA}")
month = Interval(datetime(2013, 1, 3, tzinfo=UTC), datetime(2013, 2, 1, tzinfo=UTC))
rows = select_rows(lakehouse.spark, PROBLEM, qualify, month)
rows = rows.where("flight_id LIKE '%07-___'").limit(250)
training_set = lakehouse.feature_store.create_training_set(
    df=rows, feature_lookups=PROBLEM.look_ups(qualify), label=None,
)
training_set.load_df().toPandas().to_parquet(FILE)
"""


def test_training_set_has_what_a_request_at_each_decision_would_find(
    trained: Laptop, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = str(tmp_path_factory.mktemp("rows") / "rows.parquet")
    trained.execute(f"FILE = {file!r}\n{LOOK_UP}")
    rows = pd.read_parquet(file)
    assert len(rows) >= 200
    rows["features_at"] = pd.to_datetime(rows["features_at"], utc=True)
    assert rows["features_at"].tolist() == [found_at(flight) for flight in rows["flight_id"]]
    expected = expected_features(rows[["flight_id", "features_at"]])
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
