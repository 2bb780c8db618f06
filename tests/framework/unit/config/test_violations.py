"""Limits for invalid rows and the age of a source."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flight_delays.config.data_quality import Limits, SourceStats, find_violations
from flight_delays.errors import InstantWithoutZoneError

AS_OF = datetime(2024, 5, 1, tzinfo=UTC)
LIMITS = Limits(max_bad_rows=3, max_bad_share=0.1, max_age_hours=24)
VALID = SourceStats(
    source="orders",
    repeated=0,
    valid=100,
    invalid=0,
    dated=True,
    newest=AS_OF - timedelta(hours=1),
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"valid": 90, "invalid": 10}, []),
        (
            {"valid": 89, "invalid": 11},
            ["orders: 11 of 100 new rows are invalid (11.00%); limit: 3 rows"],
        ),
        ({"valid": 0, "invalid": 3}, []),
        ({"valid": 0, "invalid": 4}, ["orders: 4 of 4 new rows are invalid (100.00%)"]),
        ({"newest": AS_OF - timedelta(hours=24)}, []),
        (
            {"newest": AS_OF - timedelta(hours=25)},
            ["orders: the newest row is of 2024-04-29T23:00:00+00:00, 25 hours before 2024-05-01"],
        ),
        ({"newest": AS_OF + timedelta(days=7)}, []),
        ({"newest": None}, ["orders: there is no valid row before 2024-05-01T00:00:00+00:00."]),
        ({"newest": None, "dated": False}, []),
        ({"newest": None, "invalid": 50, "valid": 0}, ["orders: 50 of 50", "orders: there is no"]),
    ],
)
def test_rows_are_refused_when_too_many_are_bad_or_none_is_recent(
    changes: dict[str, Any], words: list[str]
) -> None:
    found = list(find_violations(replace(VALID, **changes), LIMITS, AS_OF))
    assert len(found) == len(words)
    assert all(said.startswith(word) for said, word in zip(found, words, strict=True)), found


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(InstantWithoutZoneError):
        list(find_violations(VALID, LIMITS, datetime(2024, 5, 1)))
