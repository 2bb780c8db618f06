"""Features computed at the request: what their functions may be, and what is made of them."""

import math
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from flight_delays.errors import DeclarationError
from flight_delays.spec.request_features import RequestFeature

from tests.framework.unit.spec.orders import ORDERS_PROBLEM

LIMIT = 3.0


def hour(ordered_at: datetime | None) -> float | None:
    """Hour of the order, a customer's own."""
    if ordered_at is None or ordered_at != ordered_at:
        return None
    # Where the project is not installed.
    import math as loaded

    return float(loaded.floor(ordered_at.hour))


def busy(orders: float | None, at: float | None) -> str:
    return "yes" if any(each is not None and each > 10 for each in (orders, at)) else "no"


def one_line(shop: str) -> float: return float(len(shop or ""))  # fmt: skip


def uses_a_global(orders: float) -> float:
    return sum(each * LIMIT for each in [orders])


def uses_a_module(orders: float) -> float:
    return math.floor(orders)


def untyped(orders):  # type: ignore[no-untyped-def]
    return orders


def with_default(orders: float = 1.0) -> float:
    return orders


def listed(orders: list[float]) -> float:
    return orders[0]


def counted(orders: float) -> int:
    return int(orders)


def quoted(shop: str) -> str:
    return "$$" + shop


def text_of(orders: str) -> str:
    return orders


HOUR = RequestFeature(function=hour)
BUSY = RequestFeature(function=busy, inputs={"at": "hour"}, name="is_busy")


def test_columns_and_features_of_a_problem_follow() -> None:
    problem = replace(ORDERS_PROBLEM, request_features=(HOUR, BUSY))
    plain = ORDERS_PROBLEM

    assert problem.columns == plain.columns
    assert problem.feature_columns == (*plain.feature_columns, "hour", "is_busy")
    assert problem.categorical_columns == (*plain.categorical_columns, "is_busy")
    assert problem.numerical_columns == (*plain.numerical_columns, "hour")


def test_a_row_has_what_only_a_function_takes() -> None:
    columns = {**ORDERS_PROBLEM.sources[0].columns, "items": "STRING"}
    orders = replace(ORDERS_PROBLEM.sources[0], columns=columns)
    feature = RequestFeature(function=one_line, inputs={"shop": "items"})
    problem = replace(
        ORDERS_PROBLEM,
        sources=(orders, ORDERS_PROBLEM.sources[1]),
        request_features=(feature,),
    )

    assert problem.columns == (
        "order_id", "shop", "customer", "items", "ordered_at", "features_at",
    )  # fmt: skip
    assert "items" in problem.metadata_columns


def test_the_statement_has_types_description_and_body() -> None:
    assert HOUR.write_sql("dev.shop.f") == (
        "CREATE OR REPLACE FUNCTION dev.shop.f(`ordered_at` TIMESTAMP)\n"
        "RETURNS DOUBLE\nLANGUAGE PYTHON\nDETERMINISTIC\n"
        "COMMENT 'Hour of the order, a customer\\'s own. Made by feature_refresh.'\n"
        "AS $$\n"
        "if ordered_at is None or ordered_at != ordered_at:\n"
        "    return None\n"
        "# Where the project is not installed.\n"
        "import math as loaded\n\n"
        "return float(loaded.floor(ordered_at.hour))\n"
        "$$"
    )
    assert RequestFeature(function=one_line).body.startswith("return float(len(")


def test_the_body_alone_computes_what_the_function_does() -> None:
    at = datetime(2013, 11, 1, 13)

    assert HOUR.load()(at) == hour(at) == 13.0
    assert HOUR.load()(None) is None
    assert RequestFeature(function=one_line).load()("abc") == 3.0


def test_the_name_in_the_catalog_tells_the_definition() -> None:
    def other() -> RequestFeature:
        def hour(ordered_at: datetime) -> float:
            return float(ordered_at.hour)

        return RequestFeature(function=hour)

    assert HOUR.catalog_name.startswith("hour_")
    assert HOUR.catalog_name == RequestFeature(function=hour, name="renamed").catalog_name
    assert HOUR.catalog_name != other().catalog_name
    assert other().catalog_name.startswith("hour_")


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        (RequestFeature(function=uses_a_global), "got LIMIT; allowed: parameters, built-in names"),
        (RequestFeature(function=uses_a_module), "got math; allowed: parameters, built-in names"),
        (RequestFeature(function=quoted), r"got \$\$; allowed"),
        (RequestFeature(function=untyped), r"got untyped\(orders\); allowed: parameters without"),
        (RequestFeature(function=with_default), r"got with_default.*parameters without defaults"),
        (RequestFeature(function=listed), r"got listed.*of the types float, int, str, bool"),
        (RequestFeature(function=counted), r"got counted.*a result of float or str"),
        (
            replace(HOUR, inputs={"at": "ordered_at"}),
            "inputs: got at; allowed: parameters ordered_",
        ),
        (
            replace(HOUR, inputs={"ordered_at": "at"}),
            "inputs: got at; allowed: .*columns of the sp",
        ),
        (BUSY, "inputs: got hour; allowed: "),
        (replace(HOUR, inputs={"ordered_at": "shop"}), "got TIMESTAMP; allowed: STRING, the type"),
        (RequestFeature(function=text_of), "parameter orders: got STRING; allowed: DOUBLE"),
        (replace(HOUR, name="shop"), "columns of a training set: got shop twice"),
    ],
)
def test_what_could_not_be_computed_everywhere_is_refused(
    feature: RequestFeature, said: str
) -> None:
    with pytest.raises(DeclarationError, match=said):
        replace(ORDERS_PROBLEM, request_features=(feature,))


def test_an_instant_of_the_look_up_is_no_input() -> None:
    feature: Any = replace(HOUR, inputs={"ordered_at": "features_at"})

    with pytest.raises(DeclarationError, match="got features_at"):
        replace(ORDERS_PROBLEM, request_features=(feature,))
