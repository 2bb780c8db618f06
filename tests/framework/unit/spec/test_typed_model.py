"""The model of any problem with columns of each type that look-ups return."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from flight_delays.spec.typed_model import TypedModel

NAN = float("nan")


class Echo:
    """Records its input."""

    def fit(self, X: pd.DataFrame, y: Any) -> None:  # noqa: ARG002, N803
        self.seen = X

    def predict(self, X: pd.DataFrame) -> Any:  # noqa: N803
        self.seen = X
        return [0.5] * len(X)


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
            [["piston", 3], [NAN, NAN]], id="whole numbers with a gap, which come as doubles",
        ),
        pytest.param(
            pd.Series(["piston", NAN], dtype=object), pd.Series([3, None], dtype=object),
            [["piston", 3], [NAN, NAN]], id="a feature sent for one row alone",
        ),
        pytest.param(
            pd.Series(["piston", pd.NA], dtype="string"), pd.Series([3, pd.NA], dtype="Int64"),
            [["piston", 3], [NAN, NAN]], id="types of pandas' own that know missing values",
        ),
        pytest.param(
            pd.Series(["jet", "rocket"]), pd.Series([Decimal("1.5"), None], dtype=object),
            [["jet", 1.5], ["rocket", NAN]], id="decimals, and a category that is new",
        ),
        pytest.param(
            pd.Series(["jet", "piston"]), pd.Series([7, 8], dtype="int32"),
            [["jet", 7], ["piston", 8]], id="whole numbers without a gap",
        ),
    ],
)  # fmt: skip
def test_columns_are_texts_and_doubles_in_whatever_form_a_look_up_brings_them(
    engine: "pd.Series[Any]", seats: "pd.Series[Any]", expected: list[Any]
) -> None:
    echo = Echo()
    model = TypedModel(echo, ["engine"], ["seats"], binary=False)
    model.predict(pd.DataFrame({"other": [1, 2], "seats": seats, "engine": engine}))
    assert [*echo.seen.columns] == ["engine", "seats"]
    assert [*map(str, echo.seen.dtypes)] == ["object", "float64"]
    pd.testing.assert_frame_equal(
        echo.seen, pd.DataFrame(expected, columns=["engine", "seats"]).astype({"engine": object}),
        check_dtype=False,
    )  # fmt: skip


def test_a_classifier_gives_the_probability_of_one_and_a_model_without_it_what_it_predicts() -> (
    None
):
    rows = pd.DataFrame({"seats": [1.0, 2.0, 3.0, 4.0]})
    model = TypedModel(LogisticRegression(), [], ["seats"], binary=True).fit(rows, [0, 1, 0, 1])
    answers = model.predict(rows)
    assert answers.dtype == np.float64
    np.testing.assert_array_equal(answers, model.model.predict_proba(rows)[:, 1])
    assert TypedModel(Echo(), [], ["seats"], binary=True).predict(rows).tolist() == [0.5] * 4


@pytest.mark.parametrize("labels", [[0.0, 0.0], [1.0, 1.0], [0.0, 2.0], [0.0, NAN]], ids=str)
def test_labels_other_than_zero_and_one_are_refused(labels: list[float]) -> None:
    model = TypedModel(LogisticRegression(), [], ["seats"], binary=True)
    with pytest.raises(ValueError, match=r"labels must be 0 and 1 .* more than two classes"):
        model.fit(pd.DataFrame({"seats": [1.0, 2.0]}), labels)


def test_a_missing_column_and_a_number_that_is_none_are_named() -> None:
    model = TypedModel(Echo(), ["engine"], ["seats"], binary=False)
    with pytest.raises(ValueError, match=r"needs the columns \['seats'\].*fe\.score_batch"):
        model.predict(pd.DataFrame({"engine": ["jet"]}))
    with pytest.raises(ValueError, match="windy"):
        model.predict(pd.DataFrame({"engine": ["jet"], "seats": ["windy"]}))
