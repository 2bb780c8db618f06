import math

import pandas as pd
import pytest

from flight_delays.lakehouse.endpoint import (
    as_records,
    name_endpoint,
    name_entity,
)
from flight_delays.lakehouse.registry import ModelVersion

LONG = f"prod.{'s' * 40}.{'m' * 40}"


def test_endpoint_has_the_models_name() -> None:
    assert name_endpoint("prod.flights.delay") == "prod-flights-delay"


def test_long_names_are_cut_to_63_characters_and_stay_apart() -> None:
    names = {name_endpoint(f"{LONG}{number}") for number in range(50)}
    assert len(names) == 50
    assert {len(name) for name in names} == {63}


@pytest.mark.parametrize("model", ["prod.flights.delay", LONG])
def test_served_entity_names_the_version(model: str) -> None:
    name = name_entity(ModelVersion(model, 12, frozenset(), {}, "", ""))
    assert name.endswith("-12")
    assert len(name) <= 63


def test_records_carry_times_as_text_and_what_is_missing_as_null() -> None:
    rows = pd.DataFrame(
        {
            "at": pd.to_datetime(["2013-11-01T10:00:00Z"]),
            "tail": [None],
            "wind": [math.nan],
            "flight": [7],
        }
    )
    assert as_records(rows) == [
        {"at": "2013-11-01T10:00:00.000Z", "tail": None, "wind": None, "flight": 7}
    ]
