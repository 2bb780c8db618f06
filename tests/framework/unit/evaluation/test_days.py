"""Days are in the problem's time zone, not in UTC."""

import pandas as pd

from flight_delays.evaluation.comparison import local_days

# Midnight in New York: 05:00 UTC in winter, 04:00 in summer.
INSTANTS = ["2013-01-01T04:59", "2013-01-01T05:00", "2013-07-01T03:59", "2013-07-01T04:00"]
DAYS = ["2012-12-31", "2013-01-01", "2013-06-30", "2013-07-01"]


def test_days_begin_at_local_midnight_in_winter_and_summer() -> None:
    instants = pd.Series(pd.to_datetime(INSTANTS))
    assert local_days(instants, "America/New_York").astype(str).tolist() == DAYS


def test_instants_with_a_zone_give_the_same_days() -> None:
    instants = pd.Series(pd.to_datetime(INSTANTS, utc=True)).dt.tz_convert("Asia/Tokyo")
    assert local_days(instants, "America/New_York").astype(str).tolist() == DAYS
