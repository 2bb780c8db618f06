"""What a request brought, as the log's columns take it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from flight_delays.lakehouse.inference_log import read_value


@pytest.mark.parametrize(
    ("kind", "given", "taken"),
    [
        ("STRING", "UA", "UA"),
        ("STRING", 12, "12"),
        ("STRING", "\ud800", None),
        ("BIGINT", 2**63 - 1, 2**63 - 1),
        ("BIGINT", 2**63, None),
        ("BIGINT", "41", 41),
        ("BIGINT", 41.0, 41),
        ("BIGINT", 41.5, None),
        ("BIGINT", "UA-12", None),
        ("BIGINT", True, None),
        ("BIGINT", float("inf"), None),
        ("TINYINT", 128, None),
        ("DOUBLE", "abc", None),
        ("DOUBLE", "1.5", 1.5),
        ("TIMESTAMP", "2013-05-01T12:00:00", datetime(2013, 5, 1, 12, tzinfo=UTC)),
        ("TIMESTAMP", "2013-05-01T12:00:00+01:00", datetime(2013, 5, 1, 11, tzinfo=UTC)),
        ("TIMESTAMP", "0001-01-01T00:00:00+05:00", None),
        ("TIMESTAMP", 7, None),
        ("BOOLEAN", True, "True"),
        ("DATE", [1], None),
        ("BIGINT", None, None),
    ],
)
def test_values_of_a_request_are_taken_as_their_column_has_them_or_not_at_all(
    kind: str, given: Any, taken: Any
) -> None:
    assert read_value(kind, given) == taken
