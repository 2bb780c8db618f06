"""Features of a whole year equal an independent computation."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from flight_delays.problem import PROBLEM
from flight_delays.problem.features import AIRCRAFT_FEATURES
from flight_delays.problem.sources import NO_AIRCRAFT

from tests.framework.problem.oracle import expected_features, found_at
from tests.problem.conftest import Tables, look_up, read_sources


@pytest.mark.nightly
@pytest.mark.parametrize("shift_days", [0, 13 * 364])
def test_features_agree_with_an_independent_account_of_what_was_known(
    compute: Callable[[Tables, datetime], Tables], shift_days: int
) -> None:
    shift = timedelta(days=shift_days)
    as_of = datetime(2014, 1, 2, tzinfo=UTC) + shift
    facts = read_sources(as_of, shift_days)
    flights = facts["flights"]
    decided = flights["decision_at"] - shift
    sampled = pd.concat(
        [
            flights.sample(300, random_state=20130101),
            flights.head(40),
            flights[decided.dt.minute == 0].sample(40, random_state=1),
            flights[flights["tailnum"] == NO_AIRCRAFT].sample(20, random_state=2),
            flights[decided.between("2013-03-10", "2013-03-11")].sample(50, random_state=3),
            flights[decided.between("2013-11-03", "2013-11-04")].sample(50, random_state=4),
        ],
        ignore_index=True,
    )
    found = look_up(sampled, compute(facts, as_of))
    expected = expected_features(found[["flight_id", "features_at"]], shift_days)
    if not shift_days:
        assert found["features_at"].tolist() == [found_at(name) for name in found["flight_id"]]
    assert {*expected} == {*PROBLEM.feature_columns} - {*PROBLEM.spine.features}
    sometimes_unknown = ["route_landed_14d", "origin_landed_3h", "pressure", "year_built"]
    assert expected[sometimes_unknown].isna().any().all()
    for column in PROBLEM.numerical_columns:
        account = expected[column].astype("float64")
        pd.testing.assert_series_equal(found[column], account, rtol=1e-12)
    for column in AIRCRAFT_FEATURES.categorical:
        assert found[column].fillna("").tolist() == expected[column].fillna("").tolist()
