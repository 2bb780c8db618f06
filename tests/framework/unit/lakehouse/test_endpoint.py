import json
import math

import pandas as pd
import pytest

from flight_delays.lakehouse.endpoint import endpoint_name, entity_name, trial_name
from flight_delays.lakehouse.served_version import as_records
from flight_delays.promotion.model_version import ModelVersion

LONG = f"prod.{'s' * 40}.{'m' * 40}"


def test_endpoint_has_the_models_name() -> None:
    assert endpoint_name("prod.flights.model") == "prod-flights-model"


def test_long_names_are_cut_to_63_characters_and_stay_apart() -> None:
    names = {endpoint_name(f"{LONG}{number}") for number in range(50)}
    assert len(names) == 50
    assert {len(name) for name in names} == {63}


def test_trial_of_a_long_name_is_another_name_of_63_characters() -> None:
    endpoint = endpoint_name(LONG)
    assert len(trial_name(endpoint)) <= 63
    assert trial_name(endpoint) != endpoint
    assert trial_name("prod-flights-model") == "prod-flights-model-trial"


@pytest.mark.parametrize("model", ["prod.flights.model", LONG])
def test_served_entity_names_the_version(model: str) -> None:
    name = entity_name(ModelVersion(model=model, version=12, aliases=frozenset(), tags={}))
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
