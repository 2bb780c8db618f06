"""The published year satisfies the rules of its sources except for one hour of weather."""

from datetime import UTC, datetime

import pytest
from pyspark.sql import SparkSession

from flight_delays.config.policy import BEGINNING
from flight_delays.problem.sources import SOURCES
from flight_delays.spec.tables import Source

AFTER_THE_YEAR = datetime(2014, 1, 3, tzinfo=UTC)
BAD = {
    "weather": [
        ("wind_speed is above 150", '{"origin":"EWR","known_at":"2013-02-12T09:00:00.000000Z"}')
    ]
}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_one_row_of_the_year_is_bad_and_none_is_repeated(
    spark: SparkSession, source: Source
) -> None:
    assert source.read is not None
    checked = source.check(source.read(spark, BEGINNING, AFTER_THE_YEAR, 0))
    bad = checked.where("_reason <> ''").select("_reason", "_key").collect()
    assert [tuple(row) for row in bad] == BAD.get(source.name, [])
    assert checked.where("_times > 1").count() == 0
