"""A challenger is rejected with the names of the slices in which it is worse."""

from dataclasses import replace
from math import nan

import pytest

from flight_delays.config.policy import Slices
from flight_delays.evaluation.slices import SliceComparison
from flight_delays.promotion.slices import find_worse_slices, refuse_slices

POLICY = Slices(
    columns=["carrier"], min_rows=1000, metric="auc", min=0.55, compared_rows=100,
    compared_days=5, margin=0.005, max_gap_increase=0.08, first_max_gap=0.12,
)  # fmt: skip
SOUND = SliceComparison(
    column="carrier", value="AA", rows=600, days=28, loss="log_loss", unit="nats",
    difference=0.02, low=-0.01, high=0.05, p_value=0.2, gap=0.03, incumbent_gap=-0.01,
)  # fmt: skip


def names(*found: SliceComparison) -> list[str]:
    return [check.name for check in find_worse_slices(found, POLICY, 0.95)]


def test_slice_that_is_not_significantly_worse_is_not_refused() -> None:
    assert names(SOUND) == []
    assert names(replace(SOUND, p_value=0.051)) == []


@pytest.mark.parametrize("p_value", [0.049, 0.0, nan])
def test_slice_that_is_significantly_worse_is_refused(p_value: float) -> None:
    assert names(SOUND, replace(SOUND, value="HA", p_value=p_value)) == ["worse[carrier=HA]"]


@pytest.mark.parametrize(
    ("gap", "incumbent", "refused"),
    [
        (0.09, 0.0, True),
        (-0.09, 0.0, True),
        (0.09, -0.02, False),
        (0.0, 0.5, False),
        (nan, 0, True),
    ],
)
def test_calibration_gap_may_not_grow_by_more_than_the_limit(
    gap: float, incumbent: float, refused: bool
) -> None:
    found = names(replace(SOUND, gap=gap, incumbent_gap=incumbent))
    assert found == (["gap[carrier=AA]"] if refused else [])


def test_reason_names_each_slice_with_what_was_found_and_allowed() -> None:
    worse = find_worse_slices([replace(SOUND, p_value=0.001, gap=0.2)], POLICY, 0.95)
    refused = refuse_slices(7, worse)
    assert refused is not None
    assert refused.reason == (
        "Version 7 may not be promoted: 2 findings in slices: "
        "worse[carrier=AA]: mean log_loss 0.02 nats above the Champion's on 600 rows of 28 days "
        "(-0.01 to 0.05), significantly more than 0.005 nats (p 0.001); gap[carrier=AA]: mean "
        "prediction 0.2 above the mean label on 600 rows of 28 days, the Champion's 0.01 below it; "
        "at most 0.08 further is allowed"
    )
    assert refuse_slices(7, ()) is None
