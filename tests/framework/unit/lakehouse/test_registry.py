from datetime import UTC, datetime
from typing import Any

import pytest

from flight_delays.errors import UnusableInputError
from flight_delays.lakehouse import registry
from flight_delays.lakehouse.errors import LakehouseError, ModelUriError
from flight_delays.lakehouse.registry import (
    describe_inputs,
    find_champion,
    list_features,
    parse_model_uri,
)
from flight_delays.promotion.model_version import ModelVersion

NOBODY: Any = None


def version(**tags: str) -> ModelVersion:
    return ModelVersion(model="prod.flights.model", version=3, aliases=frozenset(), tags=tags)


def test_model_uri_names_model_and_version() -> None:
    assert parse_model_uri("models:/prod.flights.model/12") == ("prod.flights.model", 12)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "{{tasks.train.values.model_uri}}",
        "models:/prod.flights.model@Champion",
        "models:/prod.flights.model",
        "models:/prod.flights.model/latest",
        "models:/prod.flights.model/0",
        "models:/delay/1",
        "models:/prod.flights.model/1 ",
        "runs:/abc/model",
    ],
)
def test_any_other_uri_is_refused_with_what_brings_the_right_one(uri: str) -> None:
    with pytest.raises(ModelUriError, match="run train in the same run"):
        parse_model_uri(uri)


def test_as_of_is_read_from_its_tag() -> None:
    assert version(as_of="2013-11-01T00:00:00+00:00").require_as_of() == datetime(
        2013, 11, 1, tzinfo=UTC
    )


def test_missing_as_of_is_refused_naming_the_tags_there_are() -> None:
    with pytest.raises(UnusableInputError, match="no tag 'as_of'; its tags are: git_commit"):
        version(git_commit="abc").require_as_of()


def test_as_of_without_a_zone_is_refused() -> None:
    with pytest.raises(
        UnusableInputError, match=r"as_of of version 3 of .*got .2013-11-01T00:00:00.;"
    ):
        version(as_of="2013-11-01T00:00:00").require_as_of()


def test_an_empty_as_of_is_refused() -> None:
    with pytest.raises(UnusableInputError, match=r"as_of of version 3 of .*got ''"):
        version(as_of="").require_as_of()


@pytest.mark.parametrize("status", ["FAILED", "PENDING", "", None])
def test_a_champion_that_has_not_passed_is_not_used(
    monkeypatch: pytest.MonkeyPatch, status: str | None
) -> None:
    tags = {} if status is None else {"model_validation_status": status}
    monkeypatch.setattr(registry, "read_aliases", lambda *_: {"Champion": 3})
    monkeypatch.setattr(registry, "read_version", lambda *_: version(**tags))
    with pytest.raises(LakehouseError, match=f"status is {status!r}, expected 'PASSED'"):
        find_champion(NOBODY, "prod.flights.model")


def test_a_champion_that_has_passed_is_found_and_none_where_there_is_no_alias(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed = version(model_validation_status="PASSED")
    monkeypatch.setattr(registry, "read_version", lambda *_: passed)
    for aliases, found in (({"Champion": 3}, 3), ({"Challenger": 3}, None)):
        monkeypatch.setattr(registry, "read_aliases", lambda *_, a=aliases: a)
        assert find_champion(NOBODY, "prod.flights.model") == found


SPEC = """
input_columns:
- origin: {source: training_data, data_type: string}
- wind: {source: feature_store, table_name: prod.s.weather, feature_name: wind_speed}
- gusts: {source: feature_store, table_name: prod.s.weather, feature_name: gusts}
- chill: {source: on_demand_feature, udf_name: prod.s.chill, input_bindings: {wind: wind}}
- day: {source: training_data, data_type: date, include: false}
input_tables:
- prod.s.weather: {table_id: 1, lookback_window: 60}
"""


def test_a_feature_spec_names_tables_features_and_functions() -> None:
    assert list_features(SPEC) == [("prod.s.weather", "wind_speed"), ("prod.s.weather", "gusts")]
    found = describe_inputs(SPEC)
    assert list(found) == ["origin", "wind", "gusts", "chill"]
    assert found["origin"] == "{}"
    assert found["chill"] == '{"input_bindings": {"wind": "wind"}, "udf_name": "prod.s.chill"}'
    assert '"lookback_window": 60.0' in found["wind"]
    # Case and values that are not there do not matter.
    other = SPEC.replace("gusts}", "Gusts, default_value: null}").replace("- origin:", "- Origin:")
    assert describe_inputs(other) == found
    assert describe_inputs(SPEC.replace("60", "61"))["wind"] != found["wind"]


@pytest.mark.parametrize(
    "key",
    [
        "table_name",
        "feature_name",
        "lookup_key",
        "timestamp_lookup_key",
        "lookback_window",
        "default_value",
    ],
)
def test_each_entry_of_a_look_up_that_decides_its_values_is_described(key: str) -> None:
    changed = SPEC.replace("feature_name: gusts}", f"feature_name: gusts, {key}: 0}}")
    if key == "lookback_window":
        changed = SPEC.replace("60", "0")
    assert describe_inputs(changed)["gusts"] != describe_inputs(SPEC)["gusts"]
