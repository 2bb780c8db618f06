"""Refresh times of features: results of look-ups, and the schedules that match them."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import SparkSession

from flight_delays.errors import DeclarationError
from flight_delays.spec.refresh import Refresh

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HOURLY = Refresh(every=HOUR, delay=15 * MINUTE)
HALF_HOURLY = Refresh(every=30 * MINUTE, delay=10 * MINUTE)
DAILY = Refresh(every=DAY, delay=5 * HOUR)
TWICE_A_DAY = Refresh(every=12 * HOUR, delay=13 * HOUR)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("every", "delay", "age"),
    [(15 * MINUTE, MINUTE, 16 * MINUTE), (HOUR, 20 * MINUTE, 80 * MINUTE), (DAY, DAY, 2 * DAY)],
)
def test_features_are_as_old_as_the_cadence_and_the_delay_at_most(
    every: timedelta, delay: timedelta, age: timedelta
) -> None:
    assert Refresh(every=every, delay=delay).greatest_age == age


@pytest.mark.parametrize(
    "every", [timedelta(0), -HOUR, 7 * HOUR, 7 * MINUTE, 30.5 * MINUTE, 2 * DAY]
)
def test_a_cadence_that_does_not_divide_a_day_is_refused(every: timedelta) -> None:
    with pytest.raises(DeclarationError, match=r"Refresh\.every: got .* divide a day"):
        Refresh(every=every, delay=MINUTE)


@pytest.mark.parametrize("delay", [timedelta(0), -MINUTE, timedelta(seconds=90)])
def test_a_delay_that_is_no_whole_number_of_minutes_is_refused(delay: timedelta) -> None:
    with pytest.raises(DeclarationError, match=r"Refresh\.delay: got .* 1 or more"):
        Refresh(every=HOUR, delay=delay)


@pytest.mark.parametrize(
    ("refresh", "cron"),
    [
        (HOURLY, "0 0 * * * ?"),
        (HOURLY, "0 14 * * * ?"),
        (HOURLY, "0 0/30 * * * ?"),
        (HOURLY, "0 */15 0-23 ? * *"),
        (HOURLY, "0 5 0/1 1/1 * ? *"),
        (HALF_HOURLY, "0 0,30 * * * ?"),
        (HALF_HOURLY, "0 9-59/30 * * * ?"),
        (DAILY, "0 30 4 * * ?"),
        (DAILY, "0 0 2,14 * * ?"),
        (TWICE_A_DAY, "0 30 0 * * ?"),
    ],
)
def test_a_schedule_that_begins_a_run_in_time_is_allowed(refresh: Refresh, cron: str) -> None:
    refresh.require_schedule(cron)


@pytest.mark.parametrize(
    ("refresh", "cron", "words"),
    [
        (HOURLY, "0 15 * * * ?", "no run from 00:00 on and before 00:15 UTC"),
        (HOURLY, "0 0 0/2 * * ?", "no run from 01:00 on and before 01:15 UTC"),
        (HOURLY, "0 0 5 * * ?", "no run from 00:00 on and before 00:15 UTC"),
        (HOURLY, "0 0 0-22 * * ?", "no run from 23:00 on and before 23:15 UTC"),
        (HALF_HOURLY, "0 0 * * * ?", "no run from 00:30 on and before 00:40 UTC"),
        (HALF_HOURLY, "0 50/30 * * * ?", "no run from 00:00 on and before 00:10 UTC"),
        (DAILY, "0 0 5 * * ?", "no run from 00:00 on and before 05:00 UTC"),
        (HOURLY, "0 0 * * 1-5 ?", "the same each day"),
        (HOURLY, "0 0 * ? * MON-FRI", "the same each day"),
        (HOURLY, "0 0 * 1 * ?", "the same each day"),
        (HOURLY, "30 0 * * * ?", "the same each day"),
        (HOURLY, "0 0 24 * * ?", "the same each day"),
        (HOURLY, "0 60 * * * ?", "the same each day"),
        (HOURLY, "0 0/0 * * * ?", "the same each day"),
        (HOURLY, "0 30-10 * * * ?", "the same each day"),
        (HOURLY, "0 0, * * * ?", "the same each day"),
        (HOURLY, "hourly", "the same each day"),
        (HOURLY, "", "the same each day"),
    ],
)
def test_a_schedule_that_is_too_seldom_or_unreadable_is_refused(
    refresh: Refresh, cron: str, words: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        refresh.require_schedule(cron)
    assert words in str(refused.value)
    assert repr(cron) in str(refused.value)
    assert "refresh_schedule in databricks.yml" in str(refused.value)


def floor(decision_at: datetime, refresh: Refresh) -> datetime:
    """Return the last multiple of a cadence whose publication is available."""
    published = decision_at - refresh.delay - EPOCH
    return EPOCH + published // refresh.every * refresh.every


def test_the_instant_of_a_look_up_is_the_last_multiple_that_was_online(
    spark: SparkSession,
) -> None:
    draw = random.Random(1970)
    decided = [
        EPOCH + timedelta(microseconds=draw.randint(-(10**15), 2 * 10**15)) for _ in range(200)
    ]
    edges = [datetime(2013, 11, 3, 6, minute, tzinfo=UTC) for minute in (0, 14, 15, 16)]
    decided += [*edges, EPOCH, EPOCH - timedelta(microseconds=1), EPOCH + 15 * MINUTE]
    written = ", ".join(f"(TIMESTAMP '{each.isoformat()}')" for each in decided)
    refreshes = (HOURLY, HALF_HOURLY, DAILY, TWICE_A_DAY)
    instants = ", ".join(
        f"unix_timestamp({refresh.write_instant('col1')}) AS at_{number}"
        for number, refresh in enumerate(refreshes)
    )
    rows = spark.sql(f"SELECT unix_micros(col1) AS decided, {instants} FROM VALUES {written}")
    found = {row.decided: row[1:] for row in rows.collect()}
    assert found == {
        (each - EPOCH) // timedelta(microseconds=1): tuple(
            (floor(each, refresh) - EPOCH) // timedelta(seconds=1) for refresh in refreshes
        )
        for each in decided
    }


def test_what_was_published_sooner_than_said_is_as_of_a_later_multiple(spark: SparkSession) -> None:
    late = Refresh(every=30 * MINUTE, delay=65 * MINUTE)
    decided = datetime(2013, 11, 3, 6, 20, tzinfo=UTC)
    for refresh, ago in ((HOURLY, (20, -40)), (late, (80, 50, 20, -10))):
        instants = ", ".join(refresh.write_instants(f"TIMESTAMP '{decided.isoformat()}'"))
        (row,) = spark.sql(f"SELECT {instants}").collect()
        found = [each.replace(tzinfo=UTC) for each in row]
        assert [decided - each for each in found] == [minutes * MINUTE for minutes in ago]
        assert found[0] == floor(decided, refresh)
