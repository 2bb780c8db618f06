from typing import Any

import pytest
from laptop.alerts import judge
from laptop.dashboards.queries import Cell
from laptop.errors import LaptopError


def evaluation(operator: str, limit: Any = 2.0, **source: str) -> dict[str, Any]:
    return {
        "source": {"name": "n", **source},
        "comparison_operator": operator,
        "threshold": {"value": {"double_value": limit}},
        "empty_result_state": "TRIGGERED",
    }


@pytest.mark.parametrize(
    ("operator", "values", "aggregation", "state"),
    [
        ("GREATER_THAN", [3, 1], "", "TRIGGERED"),
        ("GREATER_THAN", [2, 3], "", "OK"),
        ("GREATER_THAN", [2, 3], "MAX", "TRIGGERED"),
        ("GREATER_THAN_OR_EQUAL", [2], "", "TRIGGERED"),
        ("LESS_THAN", [1.5, 9], "MIN", "TRIGGERED"),
        ("LESS_THAN_OR_EQUAL", [2, 2], "AVG", "TRIGGERED"),
        ("EQUAL", [5, 6, 6], "COUNT_DISTINCT", "TRIGGERED"),
        ("NOT_EQUAL", [1, 1], "SUM", "OK"),
        ("EQUAL", [1, 2, 9], "MEDIAN", "TRIGGERED"),
        ("EQUAL", [None, None], "COUNT", "OK"),
        ("LESS_THAN", [None, 1], "MAX", "TRIGGERED"),
        ("IS_NULL", [None], "", "TRIGGERED"),
        ("IS_NOT_NULL", [None], "", "OK"),
        ("GREATER_THAN", [], "", "TRIGGERED"),
    ],
)
def test_a_result_comes_to_a_state(
    operator: str, values: list[Cell], aggregation: str, state: str
) -> None:
    source = {"aggregation": aggregation} if aggregation else {}
    assert judge(evaluation(operator, **source), {"n": values})[0] == state


def test_an_empty_result_without_a_state_of_its_own_is_unknown() -> None:
    wanted = evaluation("EQUAL")
    del wanted["empty_result_state"]
    assert judge(wanted, {"n": []})[0] == "UNKNOWN"


def test_a_threshold_may_be_a_column() -> None:
    wanted = evaluation("GREATER_THAN")
    wanted["threshold"] = {"column": {"name": "limit", "aggregation": "MIN"}}
    assert judge(wanted, {"n": [4], "limit": [5, 3]})[0] == "TRIGGERED"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"m": [1]}, "no column 'n'. Its columns are: m"),
        ({"n": [None]}, "no comparison"),
        ({"n": ["many"]}, "cannot be compared"),
    ],
)
def test_what_cannot_be_compared_is_an_error(values: dict[str, list[Cell]], words: str) -> None:
    with pytest.raises(LaptopError, match=words):
        judge(evaluation("GREATER_THAN"), values)
