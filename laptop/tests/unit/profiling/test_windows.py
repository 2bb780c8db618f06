from datetime import UTC, datetime

import pytest
from laptop.profiling.windows import GRANULARITIES, Windows, instant, micros_of


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("5 minutes", "2026-03-01T00:55", "2026-03-01T01:00"),
        ("1 day", "2026-02-28", "2026-03-01"),
        ("4 weeks", "2026-03-02", "2026-03-30"),
        ("1 month", "2026-12-01", "2027-01-01"),
        ("1 month", "2026-02-01", "2026-03-01"),
        ("1 year", "2024-01-01", "2025-01-01"),
    ],
)
def test_a_window_ends_where_the_next_begins(text: str, start: str, end: str) -> None:
    begun, ended = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (start, end))

    assert instant(Windows(text).end(micros_of(begun))) == ended


def test_granularities_are_those_of_the_sdk() -> None:
    dataquality = pytest.importorskip("databricks.sdk.service.dataquality")

    assert set(GRANULARITIES) == {each.value for each in dataquality.AggregationGranularity}
