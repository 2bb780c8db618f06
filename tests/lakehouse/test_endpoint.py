import math

import pandas as pd
import pytest

from flight_delays.lakehouse.endpoint import (
    as_records,
    is_probability,
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


@pytest.mark.parametrize(
    ("value", "sound"),
    [(0.0, True), (1, True), (0.4, True), (1.01, False), (-0.1, False), (math.nan, False),
     (None, False), ("0.4", False), ([0.4], False), (True, False)],
)  # fmt: skip
def test_only_a_finite_number_from_0_to_1_is_a_probability(value: object, sound: bool) -> None:
    assert is_probability(value) is sound
