"""The archive, read in spans and shifted to later years, has no gap and no end."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest

from flight_delays.config.data_quality import load_data_quality
from flight_delays.config.policy import BEGINNING
from flight_delays.problem.sources import SOURCES, read_flights, read_years
from flight_delays.spec.tables import Source

AFTER_THE_YEAR = datetime(2014, 1, 3, tzinfo=UTC)
EACH_SOURCE = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)


def read_moved(
    source: Source, since: datetime, as_of: datetime, shift_days: int = 13 * 364
) -> pd.DataFrame:
    at = next((column for column in ("time_hour", "known_at") if column in source.columns), None)
    return read_years(source.name, at, since, as_of, shift_days)


@EACH_SOURCE
@pytest.mark.parametrize(
    ("shift_days", "end"),
    [(0, "2013-02-01T00:00"), (13 * 364, "2014-02-01T00:00")],
)
def test_spans_add_up_to_the_one_they_divide(source: Source, shift_days: int, end: str) -> None:
    ends = ["2013-01-01T00:00", "2013-01-01T12:30", "2013-01-01T12:31", "2013-01-09T07:00", end]
    shift = timedelta(days=shift_days)
    instants = [BEGINNING, *(datetime.fromisoformat(f"{each}Z") + shift for each in ends)]
    spans = [read_moved(source, *span, shift_days) for span in pairwise(instants)]
    found = pd.concat(spans, ignore_index=True)
    if source.name == "planes":
        # The register is read in full each time.
        found = found.drop_duplicates()
    whole = read_moved(source, BEGINNING, instants[-1], shift_days)
    keys = list(source.primary_keys)
    pd.testing.assert_frame_equal(
        found.sort_values(keys, ignore_index=True), whole.sort_values(keys, ignore_index=True)
    )
    assert len(found) > 2_000


@EACH_SOURCE
def test_where_dates_are_moved_rows_never_end_and_those_known_stay(source: Source) -> None:
    keys = list(source.primary_keys)
    as_of = datetime(2026, 12, 20, tzinfo=UTC)
    known = read_moved(source, BEGINNING, as_of)
    later = read_moved(source, BEGINNING, as_of + timedelta(days=30))
    found = known[keys].merge(later, on=keys, how="left", validate="one_to_one")
    pd.testing.assert_frame_equal(found, known)
    if source.dated_by is not None:
        allowed = load_data_quality([]).of(source.name).max_age_hours
        assert as_of - known[source.dated_by].max() < timedelta(hours=allowed)


def test_a_year_that_begins_again_follows_the_one_before_at_once() -> None:
    recorded = read_flights(BEGINNING, AFTER_THE_YEAR, 0)
    (flights,) = (source for source in SOURCES if source.name == "flights")
    known = read_moved(flights, BEGINNING, datetime(2028, 1, 5, tzinfo=UTC))
    usual, found = (
        frame["time_hour"].dt.tz_convert("Etc/GMT+5").dt.date.value_counts().sort_index()
        for frame in (recorded, known)
    )
    assert found.index[-1] - found.index[0] == timedelta(days=len(found) - 1)
    assert found.iloc[364:369].tolist() == [usual.iloc[364], *usual.iloc[1:5]]
    assert found.iloc[728:733].tolist() == [usual.iloc[364], *usual.iloc[1:5]]
