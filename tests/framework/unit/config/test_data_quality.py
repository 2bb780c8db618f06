"""The file with the limits of ingest."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from flight_delays.config.data_quality import DataQualityPolicy, load_data_quality
from flight_delays.config.loading import ConfigurationError, require_sources
from flight_delays.config.policy import BEGINNING
from flight_delays.problem import PROBLEM

USUAL = {"max_bad_rows": 10, "max_bad_share": 0.01, "max_age_hours": 48}


def test_the_file_names_only_sources_that_there_are() -> None:
    names = [source.name for source in PROBLEM.sources]
    assert load_data_quality(names).of(names[0]).max_bad_share < 0.5


def test_a_source_has_its_own_limits_or_the_default_ones() -> None:
    own = USUAL | {"max_bad_rows": 0}
    policy = DataQualityPolicy.model_validate(
        {"reread_hours": 0, "default": USUAL, "sources": {"orders": own}}
    )
    assert (policy.of("orders").max_bad_rows, policy.of("shops").max_bad_rows) == (0, 10)


def test_a_source_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"no source orders\. There are: shops\."):
        require_sources("data_quality", ["orders", "shops"], ["shops"])


def test_rows_are_read_from_some_hours_before_the_last_ingest_or_from_the_start() -> None:
    policy = DataQualityPolicy.model_validate({"reread_hours": 30, "default": USUAL, "sources": {}})
    last = datetime(2013, 2, 1, 12, tzinfo=UTC)
    assert policy.read_from(last) == last - timedelta(hours=30)
    assert policy.read_from(None) == BEGINNING


@pytest.mark.parametrize("hours", [-1, 1.5, None])
def test_hours_to_read_again_are_whole_and_none_below_zero(hours: Any) -> None:
    with pytest.raises(ValidationError, match="reread_hours"):
        DataQualityPolicy.model_validate({"reread_hours": hours, "default": USUAL, "sources": {}})


@pytest.mark.parametrize(
    "change",
    [
        {"max_bad_share": 1.0},
        {"max_bad_share": -0.1},
        {"max_bad_rows": -1},
        {"max_age_hours": 0},
        {"max_age_hours": None},
        {"max_old": 3},
    ],
)
def test_limits_that_let_everything_pass_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        DataQualityPolicy.model_validate(
            {"reread_hours": 0, "default": USUAL | change, "sources": {}}
        )
