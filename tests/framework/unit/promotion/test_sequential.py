"""Bounds of a difference: valid for a single look and for repeated looks."""

from itertools import pairwise
from math import inf, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight_delays.promotion.sequential import (
    Sums,
    bound_increase,
    find_reach,
    subtract_means,
    weigh_increase,
)

from .streams import Draw, Floats, certain_mistakes, log_losses, watch_means, watch_shares

STREAMS = 1000
counts = st.integers(0, 300).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))


def sum_up(values: Floats) -> Sums:
    return Sums(values.size, values.sum(), (values**2).sum())


def test_difference_and_variance_are_those_of_two_samples() -> None:
    random = np.random.default_rng(1)
    first, second = random.normal(1, 2, 400), random.normal(1.5, 1, 100)
    value, variance = subtract_means(sum_up(first), sum_up(second))
    assert value == pytest.approx(second.mean() - first.mean())
    larger = first.var(ddof=1)
    assert variance == pytest.approx(larger / 400 + larger / 100)


def test_a_share_of_traffic_that_changes_with_the_day_moves_no_difference() -> None:
    # Losses are about 1 by night and 3 by day; the Challenger has a larger share by day.
    def stratum(mean: float, count: int) -> tuple[float, float, float]:
        return count, count * mean, count * (mean**2 + 0.01)

    first = Sums(*np.array([stratum(1, 950), stratum(3, 500)]).T)
    second = Sums(*np.array([stratum(1, 50), stratum(3, 500)]).T)
    value, variance = subtract_means(first, second)
    assert value == pytest.approx(0, abs=1e-12)
    assert 0 < variance < inf


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Sums(10, 5, 4), Sums(0, 0, 0)),
        (Sums(0, 0, 0), Sums(0, 0, 0)),
        (Sums(10, 5, 4), Sums(1, 1, 1)),
        (Sums(10, 5, 4), Sums(10, 10, 10)),
        (Sums(10, 10, 10), Sums(10, 5, 4)),
        (Sums([10, 0], [5, 0], [4, 0]), Sums([0, 10], [0, 5], [0, 4])),
    ],
    ids=["no second", "none", "one", "constant second", "constant first", "no common stratum"],
)
def test_where_an_arm_has_no_spread_nothing_is_known(first: Sums, second: Sums) -> None:
    _, variance = subtract_means(first, second)
    assert variance == inf
    assert find_reach(variance, 0.1, 0.05) == inf


@pytest.mark.parametrize("variance", [0.0, inf, np.nan, -1.0])
def test_a_variance_that_cannot_be_has_an_infinite_reach(variance: float) -> None:
    assert find_reach(variance, 0.1, 0.05) == inf


def test_reach_shrinks_with_the_variance_and_grows_with_confidence() -> None:
    reaches = [float(find_reach(variance, 0.1, 0.05)) for variance in (1, 0.1, 0.01, 1e-3, 1e-4)]
    assert all(one > other for one, other in pairwise(reaches))
    assert find_reach(0.01, 0.1, 0.01) > find_reach(0.01, 0.1, 0.05) > 1.645 * 0.1


def test_evidence_of_shares_is_that_of_its_definition() -> None:
    # By numerical integration over both shares, and a grid search within the limit.
    grid = (np.arange(4000) + 0.5) / 4000
    prior = 1 / np.sqrt(grid * (1 - grid))
    prior /= prior.sum()
    (first, of_first), (second, of_second) = (2, 40), (5, 20)
    one = grid**first * (1 - grid) ** (of_first - first)
    two = grid**second * (1 - grid) ** (of_second - second)
    mixed = (one * prior).sum() * (two * prior).sum()
    below = np.maximum.accumulate(one[::-1])[::-1]  # the best first share at or above each
    steps = round(0.05 * 4000)
    best = max((below[:-steps] * two[steps:]).max(), (one * two).max())
    shown = weigh_increase(first, of_first, second, of_second, 0.05)
    assert shown == pytest.approx(log(mixed / best), abs=0.02)


@given(counts, counts, st.floats(0, 0.5))
@settings(max_examples=20, deadline=None)
def test_there_is_no_evidence_of_an_increase_within_the_limit(
    first: tuple[int, int], second: tuple[int, int], limit: float
) -> None:
    gap = second[0] / max(second[1], 1) - first[0] / max(first[1], 1)
    shown = float(weigh_increase(*first, *second, limit))
    assert shown <= 1e-9 or gap > limit
    assert not np.isnan(shown)


@given(counts, counts)
@settings(max_examples=20, deadline=None)
def test_the_bound_lies_below_the_difference_and_falls_with_alpha(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    gap = second[0] / max(second[1], 1) - first[0] / max(first[1], 1)
    careful, bold = (float(bound_increase(*first, *second, alpha)) for alpha in (0.001, 0.05))
    assert -1 <= careful <= bold <= max(gap, 0)


@given(counts, counts)
@settings(max_examples=20, deadline=None)
def test_a_failure_in_place_of_a_success_never_lowers_the_bound(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    failed, of = second[0], second[1] + 1
    before = bound_increase(*first, failed, of, 0.01)
    after = bound_increase(*first, failed + 1, of, 0.01)
    assert after >= before - 1e-6


def test_the_first_failures_of_a_new_arm_show_harm_soon_but_not_at_once() -> None:
    bounds = [float(bound_increase(0, 190, failed, 10, 0.002)) for failed in range(6)]
    assert bounds[1] < 0.01 < bounds[5]


@pytest.mark.parametrize("split", [0.05, 0.5])
@pytest.mark.parametrize(
    ("champion", "challenger", "limit"),
    [(0.001, 0.001, 0.0), (0.001, 0.011, 0.01), (0.3, 0.5, 0.2)],
)
def test_shares_within_the_limit_are_rarely_harm_at_any_of_all_looks(
    split: float, champion: float, challenger: float, limit: float
) -> None:
    first = watch_shares(
        np.random.default_rng(2),
        STREAMS,
        400,
        split=split,
        champion=champion,
        challenger=challenger,
        limit=limit,
        alpha=0.05,
    )
    assert (first >= 0).mean() <= 0.05


def test_a_share_far_above_the_limit_is_found() -> None:
    first = watch_shares(
        np.random.default_rng(3),
        100,
        400,
        split=0.5,
        champion=0.001,
        challenger=0.2,
        limit=0.01,
        alpha=0.002,
    )
    assert (first >= 0).mean() > 0.99


@pytest.mark.parametrize("split", [0.1, 0.5])
@pytest.mark.parametrize(
    ("champion", "challenger", "margin"),
    [
        (log_losses(0.0), log_losses(0.05), 0.05),
        (certain_mistakes(0.01), certain_mistakes(0.02), 0.16),
    ],
    ids=["log losses", "certain mistakes"],
)
def test_a_mean_worse_by_the_margin_is_rarely_found_worse_or_not_worse(
    split: float, champion: Draw, challenger: Draw, margin: float
) -> None:
    found = watch_means(
        np.random.default_rng(4),
        STREAMS,
        1000,
        split=split,
        champion=champion,
        challenger=challenger,
        margin=margin,
        alpha_harm=0.025,
        alpha_better=0.025,
        min_labels=100,
    )
    assert (found.harm >= 0).mean() + (found.better >= 0).mean() <= 0.05


def test_a_mean_that_is_no_worse_or_much_worse_is_found() -> None:
    for worse, side in ((0.0, "better"), (0.6, "harm")):
        found = watch_means(
            np.random.default_rng(5),
            100,
            1500,
            split=0.5,
            champion=log_losses(0.0),
            challenger=log_losses(worse),
            margin=0.2,
            alpha_harm=0.005,
            alpha_better=0.025,
            min_labels=100,
        )
        assert (getattr(found, side) >= 0).mean() > 0.9
