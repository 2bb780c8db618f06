from datetime import UTC, datetime

import pytest

from flight_delays.lakehouse.errors import ModelUriError, TagMissingError
from flight_delays.lakehouse.registry import ModelVersion, parse_model_uri


def version(**tags: str) -> ModelVersion:
    return ModelVersion("prod.flights.delay", 3, frozenset(), tags, "", "run")


def test_model_uri_names_model_and_version() -> None:
    assert parse_model_uri("models:/prod.flights.delay/12") == ("prod.flights.delay", 12)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "{{tasks.train.values.model_uri}}",
        "models:/prod.flights.delay@Champion",
        "models:/prod.flights.delay",
        "models:/prod.flights.delay/latest",
        "models:/prod.flights.delay/0",
        "models:/delay/1",
        "models:/prod.flights.delay/1 ",
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
    with pytest.raises(TagMissingError, match="no tag 'as_of'; its tags are: git_commit"):
        version(git_commit="abc").require_as_of()
