import json
import math

import pandas as pd
import pytest

from flight_delays.lakehouse.asking import as_records
from flight_delays.lakehouse.endpoint import name_endpoint, name_entity, name_trial
from flight_delays.lakehouse.registry import ModelVersion

LONG = f"prod.{'s' * 40}.{'m' * 40}"


def test_endpoint_has_the_models_name() -> None:
    assert name_endpoint("prod.flights.delay") == "prod-flights-delay"


def test_long_names_are_cut_to_63_characters_and_stay_apart() -> None:
    names = {name_endpoint(f"{LONG}{number}") for number in range(50)}
    assert len(names) == 50
    assert {len(name) for name in names} == {63}


def test_trial_of_a_long_name_is_another_name_of_63_characters() -> None:
    endpoint = name_endpoint(LONG)
    assert len(name_trial(endpoint)) <= 63
    assert name_trial(endpoint) != endpoint
    assert name_trial("prod-flights-delay") == "prod-flights-delay-trial"


@pytest.mark.parametrize("model", ["prod.flights.delay", LONG])
def test_served_entity_names_the_version(model: str) -> None:
    name = name_entity(ModelVersion(model, 12, frozenset(), {}, "", ""))
    assert name.endswith("-12")
    assert len(name) <= 63


def test_records_have_whole_numbers_utc_times_and_nulls() -> None:
    rows = pd.DataFrame(
        {
            "at": pd.to_datetime(["2013-11-01T11:00:00+01:00"]),
            "naive": pd.to_datetime(["2013-11-01T10:00:00.25"]),
            "never": pd.Series([None], dtype="datetime64[ns]"),
            "tail": [None],
            "wind": [math.nan],
            "temperature": [0.1 + 0.2],
            "flight": [2**53 + 1],
        }
    )
    assert json.loads(json.dumps(as_records(rows))) == [
        {
            "at": "2013-11-01T10:00:00",
            "naive": "2013-11-01T10:00:00.250000",
            "never": None,
            "tail": None,
            "wind": None,
            "temperature": 0.1 + 0.2,
            "flight": 2**53 + 1,
        }
    ]
