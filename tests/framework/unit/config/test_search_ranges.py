"""Search ranges of tuning."""

from typing import Any

import pytest
from pydantic import ValidationError

from flight_delays.config.tuning import Number, Range, TuningPolicy

SOUND = {"trials": 3, "seconds": 60, "max_rows": 10, "seed": 1}
SEARCH = {"depth": {"low": 2, "high": 9}, "rate": {"low": 0.01, "high": 1.0, "log": True}}


def test_each_hyperparameter_is_picked_within_its_own_range() -> None:
    asked = []

    def suggest(name: str, reach: Range) -> Number:
        asked.append((name, reach.low, reach.high, reach.whole, reach.log))
        return reach.high

    picked = TuningPolicy.model_validate({**SOUND, "search": SEARCH}).pick(suggest)
    assert asked == [("depth", 2, 9, True, False), ("rate", 0.01, 1.0, False, True)]
    assert picked == {"depth": 9, "rate": 1.0}


@pytest.mark.parametrize(
    ("reach", "value", "short"),
    [
        (Range(low=0.01, high=1.0), 0.123456, 0.123),
        (Range(low=0.1234, high=1.0), 0.12341, 0.1234),
        (Range(low=0.01, high=0.9876), 0.98759, 0.9876),
        (Range(low=1.0, high=10_000.0), 5432.1, 5430.0),
        (Range(low=1, high=10_000), 5432, 5432),
    ],
)
def test_a_value_has_three_digits_that_count_and_stays_in_its_range(
    reach: Range, value: float, short: float
) -> None:
    assert reach.round_value(value) == short


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"trials": 1}, "trials"),
        ({"seconds": 0}, "seconds"),
        ({"max_rows": 0}, "max_rows"),
        ({"hours": 3}, "hours"),
        ({"search": {}}, "search"),
        ({"search": {"rate": {"low": 2, "high": 2}}}, r"low \(2\) must be below high"),
        ({"search": {"rate": {"low": 0.0, "high": 2.0, "log": True}}}, "must be above 0"),
        ({"search": {"rate": {"low": "1", "high": 2}}}, "rate"),
    ],
    ids=str,
)
def test_a_budget_or_range_that_means_nothing_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        TuningPolicy.model_validate({**SOUND, "search": SEARCH, **change})
