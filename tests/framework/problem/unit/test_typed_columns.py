"""The model's first step, given columns in each form in which look-ups bring them."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flight_delays.problem.probability import TypedColumns

NAN = float("nan")


@pytest.fixture(scope="module")
def columns() -> TypedColumns:
    learned = pd.DataFrame({"engine": ["jet", "piston", None], "seats": [1.0, 2.0, NAN]})
    return TypedColumns(["engine"], ["seats"]).fit(learned)


@pytest.mark.parametrize(
    ("engine", "seats", "expected"),
    [
        pytest.param(
            pd.Series([None, None], dtype=object), pd.Series([None, None], dtype=object),
            [[NAN, NAN], [NAN, NAN]], id="nothing found for any row",
        ),
        pytest.param(
            pd.Series([NAN, NAN]), pd.Series([NAN, NAN]),
            [[NAN, NAN], [NAN, NAN]], id="a text column that came as missing doubles",
        ),
        pytest.param(
            pd.Series(["piston", None], dtype=object), pd.Series([3.0, NAN]),
            [[1, 3], [NAN, NAN]], id="whole numbers with a gap, which come as doubles",
        ),
        pytest.param(
            pd.Series(["piston", NAN], dtype=object), pd.Series([3, None], dtype=object),
            [[1, 3], [NAN, NAN]], id="a feature sent for one row alone",
        ),
        pytest.param(
            pd.Series(["piston", pd.NA], dtype="string"), pd.Series([3, pd.NA], dtype="Int64"),
            [[1, 3], [NAN, NAN]], id="types of pandas' own that know missing values",
        ),
        pytest.param(
            pd.Series(["jet", "rocket"]), pd.Series([Decimal("1.5"), None], dtype=object),
            [[0, 1.5], [NAN, NAN]], id="decimals, and a category that is new",
        ),
        pytest.param(
            pd.Series(["jet", "piston"]), pd.Series([7, 8], dtype="int32"),
            [[0, 7], [1, 8]], id="whole numbers without a gap",
        ),
    ],
)  # fmt: skip
def test_columns_become_doubles_in_whatever_form_a_look_up_brings_them(
    columns: TypedColumns, engine: "pd.Series[Any]", seats: "pd.Series[Any]", expected: list[Any]
) -> None:
    matrix = columns.transform(pd.DataFrame({"engine": engine, "seats": seats}))
    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(matrix, expected)
