"""Slices of a first Champion, rechecked by deploy."""

import numpy as np
import pandas as pd
import pytest

from flight_delays.config.policy import load_policy
from flight_delays.errors import UnusableInputError
from flight_delays.problem import PROBLEM
from flight_delays.tasks.comparison import find_first_gaps

POLICY = load_policy("policy", PROBLEM.model_type)
ROWS = 4000


def make_rows(prediction: float) -> pd.DataFrame:
    """Return held-out rows of 20 days with a mean label of 0.25 and a constant prediction."""
    assert POLICY.validation.slices is not None
    decided = pd.date_range("2013-11-01", periods=20, freq="D").repeat(ROWS // 20)
    return pd.DataFrame(
        {
            PROBLEM.spine.decision_at: decided,
            PROBLEM.label.column: np.tile([1.0, 0.0, 0.0, 0.0], ROWS // 4),
            "prediction": prediction,
            **dict.fromkeys(POLICY.validation.slices.columns, "one value"),
        }
    )


def test_first_gaps_of_mean_predictions_near_the_labels_are_none() -> None:
    assert find_first_gaps(make_rows(0.26), POLICY) == ()


def test_first_gaps_name_each_slice_whose_mean_prediction_is_far_off() -> None:
    assert POLICY.validation.slices is not None
    names = [check.name for check in find_first_gaps(make_rows(0.75), POLICY)]
    columns = POLICY.validation.slices.columns
    assert names == ["slice_gaps", *(f"gap[{column}=one value]" for column in columns)]


def test_first_gaps_are_not_checked_where_the_policy_has_no_slices() -> None:
    validation = POLICY.validation.model_copy(update={"slices": None})
    without = POLICY.model_copy(update={"validation": validation})
    assert find_first_gaps(make_rows(0.75), without) == ()


def test_first_gaps_of_rows_without_a_column_of_the_slices_raise() -> None:
    assert POLICY.validation.slices is not None
    rows = make_rows(0.26).drop(columns=POLICY.validation.slices.columns[0])
    with pytest.raises(UnusableInputError, match="Run validate again"):
        find_first_gaps(rows, POLICY)
