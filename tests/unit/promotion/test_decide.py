"""A challenger is promoted only where every fact says so."""

from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from math import inf, nan
from typing import Any

import pytest

from flight_delays.errors import UnusableInputError
from flight_delays.evaluation.bootstrap import Comparison
from flight_delays.promotion.decide import (
    Decision,
    Failed,
    Keep,
    Passed,
    Promote,
    Reject,
    decide,
    precheck,
    simulate_decision,
)
from flight_delays.promotion.model_version import ModelVersion

NOVEMBER = datetime(2013, 11, 1, tzinfo=UTC)
CHALLENGER = ModelVersion(
    model="prod.orders.model",
    version=4,
    aliases=frozenset({"Challenger"}),
    tags={"model_validation_status": "PASSED", "as_of": NOVEMBER.isoformat()},
)


def change(old: ModelVersion, /, **changes: Any) -> ModelVersion:
    """Return a version with other facts; `status` and `as_of` are tags, None takes one away."""
    tags = dict(old.tags)
    for name, tag in (("status", "model_validation_status"), ("as_of", "as_of")):
        if name in changes:
            value = changes.pop(name)
            tags.pop(tag, None)
            if value is not None:
                tags[tag] = value.isoformat() if isinstance(value, datetime) else value
    return replace(old, tags=tags, **changes)


CHAMPION = change(
    CHALLENGER, version=3, aliases=frozenset({"Champion"}), as_of=NOVEMBER - timedelta(days=31)
)
BETTER = Comparison(
    loss="log_loss",
    unit="nats",
    gain=0.00892,
    low=0.00611,
    high=0.01173,
    resamples=1000,
    confidence=0.95,
    rows=27412,
    blocks=30,
    challenger_loss=0.43121,
    incumbent_loss=0.44013,
)


def run(
    challenger: ModelVersion = CHALLENGER,
    champion: ModelVersion | None = CHAMPION,
    comparison: Comparison | None = BETTER,
    min_gain: float = 0.001,
    first_min_gain: float = 0.005,
) -> Decision:
    return decide(
        challenger, champion, comparison, min_gain=min_gain, first_min_gain=first_min_gain
    )


def test_a_challenger_that_is_surely_better_is_promoted_with_its_figures() -> None:
    assert run() == Promote(
        "Version 4 is significantly better than Champion version 3: log_loss 0.4312 "
        "against 0.4401 nats on 27,412 held-out rows in 30 blocks, "
        "gain 0.00892 nats (95% interval 0.00611 "
        "to 0.01173 nats), more than 0.001 nats asked of its lower bound"
    )


def test_a_first_version_that_surely_beats_the_heuristic_is_promoted() -> None:
    decision = run(champion=None)
    assert isinstance(decision, Promote)
    assert decision.reason.startswith(
        "Version 4 is significantly better than the heuristic baseline, no Champion yet"
    )
    assert "more than 0.005 nats asked" in decision.reason


def test_figures_of_a_number_are_told_in_its_own_unit() -> None:
    errors = replace(
        BETTER, loss="absolute_error", unit="EUR", challenger_loss=41.25, incumbent_loss=44.0
    )
    assert (
        "absolute_error 41.25 against 44 EUR on 27,412 held-out rows"
        in run(comparison=errors).reason
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": None}, "its validation status is None"),
        ({"status": ""}, "its validation status is ''"),
        ({"status": "PENDING"}, "its validation status is 'PENDING'"),
        ({"status": "FAILED"}, "its validation status is 'FAILED'"),
        ({"status": "passed"}, "its validation status is 'passed'"),
        ({"status": "PASSED "}, "its validation status is 'PASSED '"),
        ({"aliases": frozenset()}, "it does not carry the alias Challenger"),
        ({"aliases": frozenset({"challenger"})}, "it does not carry the alias Challenger"),
        ({"as_of": None}, "its as_of is not recorded"),
        ({"as_of": NOVEMBER - timedelta(days=60)}, "it was trained as of 2013-09-02"),
        ({"aliases": frozenset({"Challenger", "Champion"})}, "the aliases read do not agree"),
    ],
)
def test_a_challenger_with_a_wrong_fact_is_rejected(changes: dict[str, Any], reason: str) -> None:
    decision = run(challenger=change(CHALLENGER, **changes))
    assert isinstance(decision, Reject)
    assert decision.reason.startswith(f"Version 4 may not be promoted: {reason}")


@pytest.mark.parametrize("changes", [{"status": "PENDING"}, {"aliases": frozenset()}])
def test_a_first_version_is_held_to_the_same_facts(changes: dict[str, Any]) -> None:
    assert isinstance(run(challenger=change(CHALLENGER, **changes), champion=None), Reject)


def test_the_first_wrong_fact_is_the_one_named() -> None:
    everything = change(CHALLENGER, status="FAILED", aliases=frozenset(), as_of=None)
    for changes, reason in (
        ({}, "validation status"),
        ({"status": "PASSED"}, "alias Challenger"),
        ({"status": "PASSED", "aliases": CHALLENGER.aliases}, "as_of"),
    ):
        decision = run(challenger=change(everything, **changes), comparison=None)
        assert reason in decision.reason


def test_a_champion_trained_as_of_a_later_instant_is_not_replaced() -> None:
    later = change(CHAMPION, as_of=NOVEMBER + timedelta(microseconds=1))
    decision = run(champion=later)
    assert isinstance(decision, Reject)
    assert "Champion version 3 as of 2013-11-01T00:00:00.000001+00:00" in decision.reason
    assert isinstance(run(champion=change(CHAMPION, as_of=NOVEMBER)), Promote)


def test_a_champion_of_unknown_as_of_is_compared_and_the_reason_says_so() -> None:
    unknown = change(CHAMPION, as_of=None)
    decision = run(champion=unknown)
    assert isinstance(decision, Promote)
    assert "the as_of of Champion version 3 is not recorded" in decision.reason
    assert isinstance(run(champion=unknown, comparison=replace(BETTER, low=0.0)), Keep)


def test_a_champion_that_does_not_carry_the_alias_is_a_contradiction() -> None:
    decision = run(champion=change(CHAMPION, aliases=frozenset()))
    assert isinstance(decision, Reject)
    assert "do not agree on who is Champion" in decision.reason


def test_a_challenger_that_is_champion_is_kept_without_a_comparison() -> None:
    both = change(CHALLENGER, aliases=frozenset({"Challenger", "Champion"}))
    decision = run(challenger=both, champion=both, comparison=None)
    assert isinstance(decision, Keep)
    assert decision.already_champion
    assert decision.reason.startswith("Version 4 is already Champion")


def test_a_champion_whose_validation_was_taken_back_is_rejected() -> None:
    both = change(CHALLENGER, status="FAILED", aliases=frozenset({"Challenger", "Champion"}))
    assert isinstance(run(challenger=both, champion=both, comparison=None), Reject)


@pytest.mark.parametrize(
    ("low", "min_gain", "expected"),
    [
        (0.0011, 0.001, Promote),
        (0.001, 0.001, Keep),
        (0.0009, 0.001, Keep),
        (-0.002, 0.0, Keep),
        (0.0, 0.0, Keep),
        (1e-9, 0.0, Promote),
    ],
)
def test_the_lower_bound_must_exceed_the_gain_asked(
    low: float, min_gain: float, expected: type[Decision]
) -> None:
    decision = run(comparison=replace(BETTER, low=low), min_gain=min_gain)
    assert type(decision) is expected
    if isinstance(decision, Keep):
        assert not decision.already_champion
        assert decision.reason.startswith(
            "Champion version 3 stays, version 4 is not significantly"
        )


@pytest.mark.parametrize(("low", "expected"), [(0.0051, Promote), (0.005, Reject), (-0.1, Reject)])
def test_a_first_version_that_does_not_beat_the_heuristic_is_rejected(
    low: float, expected: type[Decision]
) -> None:
    decision = run(champion=None, comparison=replace(BETTER, low=low))
    assert type(decision) is expected
    assert "the heuristic baseline" in decision.reason


@pytest.mark.parametrize("champion", [CHAMPION, None])
def test_without_a_comparison_nothing_is_promoted(champion: ModelVersion | None) -> None:
    decision = run(champion=champion, comparison=None)
    assert isinstance(decision, Reject)
    assert "compared with nothing" in decision.reason


@pytest.mark.parametrize("champion", [CHAMPION, None])
@pytest.mark.parametrize("field", ["gain", "low", "high", "challenger_loss", "incumbent_loss"])
@pytest.mark.parametrize("value", [nan, inf, -inf, None])
def test_a_comparison_that_is_not_finite_promotes_nothing(
    champion: ModelVersion | None, field: str, value: Any
) -> None:
    changes: dict[str, Any] = {field: value}
    decision = run(champion=champion, comparison=replace(BETTER, **changes))
    assert isinstance(decision, Reject)
    assert f"{field} {value}" in decision.reason


def test_bounds_the_wrong_way_promote_nothing() -> None:
    decision = run(comparison=replace(BETTER, low=0.02, high=0.01))
    assert isinstance(decision, Reject)
    assert "the wrong way" in decision.reason


@pytest.mark.parametrize("asked", [nan, inf, -0.001, None])
def test_a_gain_that_cannot_be_asked_for_promotes_nothing(asked: Any) -> None:
    for decision in (run(min_gain=asked), run(champion=None, first_min_gain=asked)):
        assert isinstance(decision, Reject)
        assert f"a gain of {asked}" in decision.reason


def test_screening_leaves_open_only_what_a_comparison_decides() -> None:
    assert precheck(CHALLENGER, CHAMPION) is None
    assert precheck(CHALLENGER, None) is None
    assert isinstance(precheck(change(CHALLENGER, status=None), None), Reject)


# A version of another model: its number and its aliases say nothing beside this champion.
OTHER = change(CHALLENGER, version=3, aliases=frozenset({"Champion", "Challenger"}))


def simulate(other: ModelVersion, comparison: Comparison = BETTER) -> Decision:
    return simulate_decision(other, CHAMPION, comparison, number=9, min_gain=0.001)


@pytest.mark.parametrize("aliases", [set(), {"Challenger"}, {"Champion"}])
def test_a_version_of_another_model_is_decided_on_under_the_number_it_would_have(
    aliases: set[str],
) -> None:
    other = change(OTHER, aliases=frozenset(aliases))
    assert simulate(other) == run(change(CHALLENGER, version=9))
    assert isinstance(simulate(other), Promote)


def test_a_version_of_another_model_is_kept_out_by_what_keeps_out_its_own() -> None:
    assert isinstance(simulate(OTHER, replace(BETTER, low=0.001)), Keep)
    failed = simulate(change(OTHER, status="FAILED"))
    assert isinstance(failed, Reject)
    assert "validation status is 'FAILED'" in failed.reason
    earlier = simulate(change(OTHER, as_of=NOVEMBER - timedelta(days=90)))
    assert isinstance(earlier, Reject)
    assert "train as of a later instant" in earlier.reason


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("better", "better"),
        (" two\n lines\tand a tab ", "two lines and a tab"),
        ("x" * 1000, "x" * 1000),
        ("x" * 1001, "x" * 997 + "..."),
    ],
)
def test_a_reason_is_one_line_that_fits_into_a_tag(given: str, kept: str) -> None:
    assert Reject(given).reason == kept
    assert Failed(given, ()).reason == kept


@pytest.mark.parametrize("reason", ["", " \n"])
def test_a_decision_without_a_reason_is_refused(reason: str) -> None:
    with pytest.raises(UnusableInputError, match="reason"):
        Promote(reason)


def test_decisions_are_told_apart_by_label_and_verdicts_by_status() -> None:
    decisions: tuple[Decision, ...] = (Promote("r"), Keep("r"), Reject("r"))
    assert [decision.label for decision in decisions] == ["promote", "keep", "reject"]
    assert (Passed("r", ()).status, Failed("r", ()).status) == ("PASSED", "FAILED")
    assert len(set(decisions)) == 3


def test_a_decision_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Keep("r").reason = "another"  # type: ignore[misc]
