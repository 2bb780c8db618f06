"""The decision whether to promote a challenger."""

from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from math import inf, nan
from typing import Any

import pytest

from flight_delays.config.policy import ComparisonPolicy
from flight_delays.errors import UnusableInputError
from flight_delays.evaluation.comparison import Comparison
from flight_delays.promotion.decide import (
    Decision,
    Failed,
    Keep,
    NeedsApproval,
    Passed,
    Promote,
    Reject,
    decide,
    expect_decision,
    precheck,
)
from flight_delays.promotion.model_version import ModelVersion
from flight_delays.promotion.rules import MeanLosses

NOVEMBER, OCTOBER = datetime(2013, 11, 1, tzinfo=UTC), datetime(2013, 10, 1, tzinfo=UTC)
CHALLENGER = ModelVersion(
    model="prod.orders.model",
    version=4,
    aliases=frozenset({"Challenger"}),
    tags={
        "model_validation_status": "PASSED",
        "as_of": NOVEMBER.isoformat(),
        "learned_until": OCTOBER.isoformat(),
        "training_digest": "new",
    },
)


def change(old: ModelVersion, /, **changes: Any) -> ModelVersion:
    """Return a changed version; the names below are tags, which None removes."""
    tags = dict(old.tags)
    for name, tag in (
        ("status", "model_validation_status"),
        ("as_of", "as_of"),
        ("learned_until", "learned_until"),
        ("digest", "training_digest"),
    ):
        if name in changes:
            value = changes.pop(name)
            tags.pop(tag, None)
            if value is not None:
                tags[tag] = value.isoformat() if isinstance(value, datetime) else value
    return replace(old, tags=tags, **changes)


CHAMPION = change(
    CHALLENGER,
    version=3,
    aliases=frozenset({"Champion"}),
    as_of=NOVEMBER - timedelta(days=31),
    learned_until=OCTOBER - timedelta(days=31),
    digest="old",
)
BETTER = Comparison(
    loss="log_loss",
    unit="nats",
    gain=0.00892,
    low=0.00611,
    high=0.01173,
    confidence=0.95,
    rows=27412,
    blocks=30,
    wins=24,
    challenger_loss=0.43121,
    incumbent_loss=0.44013,
    identical=False,
)
POLICY = ComparisonPolicy(
    loss="log_loss",
    confidence=0.95,
    min_blocks=14,
    min_gain=0.001,
    first_min_gain=0.005,
    first_max_gain=0.03,
    margin=0.002,
    max_gain=0.02,
)


def run(
    challenger: ModelVersion = CHALLENGER,
    champion: ModelVersion | None = CHAMPION,
    comparison: Comparison | None = BETTER,
    policy: ComparisonPolicy = POLICY,
    losses: MeanLosses | None = None,
    approved: bool = False,
) -> Decision:
    return decide(
        challenger,
        champion,
        comparison,
        policy,
        losses=losses,
        holdout_start=OCTOBER,
        approved=approved,
    )


def change_policy(**changes: float) -> ComparisonPolicy:
    return ComparisonPolicy(**{**POLICY.model_dump(), **changes})


def test_decide_promotes_significantly_better_challenger() -> None:
    assert run() == Promote(
        "Version 4 is significantly better than Champion version 3: log_loss 0.4312 "
        "against 0.4401 nats on 27,412 held-out rows, lower on 24 of 30 days, "
        "gain 0.00892 nats (95% interval 0.00611 "
        "to 0.01173 nats); its lower bound must exceed 0.001 nats (superiority)"
    )


def test_decide_promotes_first_version_better_than_baseline() -> None:
    decision = run(champion=None)
    assert isinstance(decision, Promote)
    assert decision.reason.startswith(
        "Version 4 is significantly better than the heuristic baseline, no Champion yet"
    )
    assert "its lower bound must exceed 0.005 nats" in decision.reason


def test_reason_has_unit_of_loss() -> None:
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
        ({"aliases": frozenset({"Challenger", "Champion"})}, "the aliases disagree"),
    ],
)
def test_decide_rejects_ineligible_challenger(changes: dict[str, Any], reason: str) -> None:
    decision = run(challenger=change(CHALLENGER, **changes))
    assert isinstance(decision, Reject)
    assert decision.reason.startswith(f"Version 4 may not be promoted: {reason}")


@pytest.mark.parametrize("changes", [{"status": "PENDING"}, {"aliases": frozenset()}])
def test_decide_rejects_ineligible_first_version(changes: dict[str, Any]) -> None:
    assert isinstance(run(challenger=change(CHALLENGER, **changes), champion=None), Reject)


def test_reason_names_first_violation() -> None:
    everything = change(CHALLENGER, status="FAILED", aliases=frozenset(), as_of=None)
    for changes, reason in (
        ({}, "validation status"),
        ({"status": "PASSED"}, "alias Challenger"),
        ({"status": "PASSED", "aliases": CHALLENGER.aliases}, "as_of"),
    ):
        decision = run(challenger=change(everything, **changes), comparison=None)
        assert reason in decision.reason


def test_decide_rejects_challenger_older_than_champion() -> None:
    later = change(CHAMPION, as_of=NOVEMBER + timedelta(microseconds=1))
    decision = run(champion=later)
    assert isinstance(decision, Reject)
    assert "Champion version 3 as of 2013-11-01T00:00:00.000001+00:00" in decision.reason
    assert isinstance(run(champion=change(CHAMPION, as_of=NOVEMBER)), Promote)


def test_champion_without_as_of_is_compared() -> None:
    unknown = change(CHAMPION, as_of=None)
    decision = run(champion=unknown)
    assert isinstance(decision, Promote)
    assert "Champion version 3 may have been trained on held-out rows" in decision.reason
    assert isinstance(run(champion=unknown, comparison=replace(BETTER, low=0.0)), Keep)


def test_decide_rejects_champion_without_alias() -> None:
    decision = run(champion=change(CHAMPION, aliases=frozenset()))
    assert isinstance(decision, Reject)
    assert "disagree on which version is Champion" in decision.reason


def test_challenger_that_is_champion_is_kept() -> None:
    both = change(CHALLENGER, aliases=frozenset({"Challenger", "Champion"}))
    decision = run(challenger=both, champion=both, comparison=None)
    assert isinstance(decision, Keep)
    assert decision.already_champion
    assert decision.reason.startswith("Version 4 is already Champion")


def test_decide_rejects_champion_with_failed_validation() -> None:
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
def test_lower_bound_must_exceed_min_gain(
    low: float, min_gain: float, expected: type[Decision]
) -> None:
    decision = run(comparison=replace(BETTER, low=low), policy=change_policy(min_gain=min_gain))
    assert type(decision) is expected
    if isinstance(decision, Keep):
        assert not decision.already_champion
        assert decision.reason.startswith(
            "Champion version 3 is kept: version 4 is not significantly"
        )


@pytest.mark.parametrize(("low", "expected"), [(0.0051, Promote), (0.005, Reject), (-0.1, Reject)])
def test_first_version_must_exceed_first_min_gain(low: float, expected: type[Decision]) -> None:
    decision = run(champion=None, comparison=replace(BETTER, low=low))
    assert type(decision) is expected
    assert "the heuristic baseline" in decision.reason


@pytest.mark.parametrize("champion", [CHAMPION, None])
def test_decide_rejects_missing_comparison(champion: ModelVersion | None) -> None:
    decision = run(champion=champion, comparison=None)
    assert isinstance(decision, Reject)
    assert "compared with nothing" in decision.reason


@pytest.mark.parametrize("champion", [CHAMPION, None])
@pytest.mark.parametrize("field", ["gain", "low", "high", "challenger_loss", "incumbent_loss"])
@pytest.mark.parametrize("value", [nan, inf, -inf, None])
def test_decide_rejects_non_finite_comparison(
    champion: ModelVersion | None, field: str, value: Any
) -> None:
    changes: dict[str, Any] = {field: value}
    decision = run(champion=champion, comparison=replace(BETTER, **changes))
    assert isinstance(decision, Reject)
    assert f"{field} {value}" in decision.reason


def test_decide_rejects_reversed_bounds() -> None:
    decision = run(comparison=replace(BETTER, low=0.02, high=0.01))
    assert isinstance(decision, Reject)
    assert "is reversed: 0.02 to 0.01" in decision.reason


SAME = change(CHAMPION, digest="new")


@pytest.mark.parametrize(("low", "expected"), [(-0.0019, Promote), (-0.002, Keep), (-0.1, Keep)])
def test_retrained_champion_is_tested_for_non_inferiority(
    low: float, expected: type[Decision]
) -> None:
    decision = run(champion=SAME, comparison=replace(BETTER, gain=0.0, low=low))
    assert type(decision) is expected
    assert "its lower bound must exceed -0.002 nats (non-inferiority)" in decision.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": "old"},
        {"digest": None},
        {"learned_until": SAME.learned_until},
        {"learned_until": OCTOBER - timedelta(days=90)},
        {"learned_until": None},
    ],
)
def test_changed_or_not_later_model_is_tested_for_superiority(
    changes: dict[str, Any],
) -> None:
    decision = run(change(CHALLENGER, **changes), SAME, replace(BETTER, gain=0.0, low=-0.001))
    assert isinstance(decision, Keep)
    assert "(superiority)" in decision.reason


def test_champion_without_digest_is_tested_for_superiority() -> None:
    for changes in ({"digest": None}, {"learned_until": None}):
        unknown, same = change(SAME, **changes), change(CHALLENGER, **changes)
        assert isinstance(run(same, unknown, replace(BETTER, low=-0.001)), Keep)


@pytest.mark.parametrize("champion", [CHAMPION, SAME])
def test_identical_predictions_keep_champion(champion: ModelVersion) -> None:
    same = replace(BETTER, gain=0.0, low=0.0, high=0.0, wins=0, identical=True)
    decision = run(champion=champion, comparison=same)
    assert isinstance(decision, Keep)
    assert "version 4 predicts the same" in decision.reason


def test_reason_mentions_champion_trained_on_holdout() -> None:
    favoured = change(CHAMPION, learned_until=OCTOBER + timedelta(days=3))
    assert "Champion version 3 was trained on some held-out rows" in run(champion=favoured).reason
    assert "was trained on" not in run(champion=change(CHAMPION, learned_until=OCTOBER)).reason


TOO_GOOD = replace(BETTER, gain=0.05, low=0.04, high=0.06)


@pytest.mark.parametrize("champion", [CHAMPION, SAME])
def test_gain_above_max_gain_needs_approval(champion: ModelVersion) -> None:
    decision = run(champion=champion, comparison=TOO_GOOD)
    assert isinstance(decision, NeedsApproval)
    assert (
        "better than Champion version 3 by 0.04 nats at least, more than the limit "
        "comparison.max_gain, 0.02 nats" in decision.reason
    )
    assert "raise comparison.max_gain in the policy" in decision.reason
    approved = run(champion=champion, comparison=TOO_GOOD, approved=True)
    assert isinstance(approved, Promote)
    allowed = run(champion=champion, comparison=TOO_GOOD, policy=change_policy(max_gain=0.04))
    assert isinstance(allowed, Promote)
    chance = replace(TOO_GOOD, low=0.02)
    assert isinstance(run(champion=champion, comparison=chance), Promote), "it may be chance"


# 0.04 better than the baseline at its validation.
VALIDATED = replace(
    CHAMPION,
    tags={
        **CHAMPION.tags,
        "validation_loss": "log_loss 0.5",
        "validation_heuristic_loss": "log_loss 0.54",
    },
)


@pytest.mark.parametrize(
    ("model", "heuristic", "expected"),
    [
        (0.40, 0.45, Promote),  # the Champion has degraded
        (0.40, 0.46, Promote),
        (0.40, 0.4601, NeedsApproval),
        (0.60, 0.65, Promote),  # a more difficult month
        (0.60, 0.70, NeedsApproval),
        (nan, 0.45, NeedsApproval),
    ],
)
def test_max_gain_accounts_for_degraded_champion(
    model: float, heuristic: float, expected: type[Decision]
) -> None:
    losses = MeanLosses(loss="log_loss", model=model, heuristic=heuristic)
    decision = run(champion=VALIDATED, comparison=TOO_GOOD, losses=losses)
    assert type(decision) is expected
    assert isinstance(run(champion=VALIDATED, losses=losses), Promote), "a gain of 0.009"


def test_first_gain_above_first_max_gain_needs_approval() -> None:
    decision = run(champion=None, comparison=TOO_GOOD)
    assert isinstance(decision, NeedsApproval)
    assert (
        "better than the heuristic baseline by 0.04 nats at least, more than the limit "
        "comparison.first_max_gain, 0.03 nats" in decision.reason
    )
    assert isinstance(run(champion=None, comparison=TOO_GOOD, approved=True), Promote)
    allowed = change_policy(first_max_gain=0.04)
    assert isinstance(run(champion=None, comparison=TOO_GOOD, policy=allowed), Promote)


def test_precheck_returns_none_for_eligible_challenger() -> None:
    assert precheck(CHALLENGER, CHAMPION) is None
    assert precheck(CHALLENGER, None) is None
    assert isinstance(precheck(change(CHALLENGER, status=None), None), Reject)


# A version of another model; its number and aliases are irrelevant.
OTHER = change(CHALLENGER, version=3, aliases=frozenset({"Champion", "Challenger"}))


def simulate(
    other: ModelVersion, comparison: Comparison = BETTER, *, passed: bool = False
) -> Decision:
    return expect_decision(
        other, CHAMPION, comparison, POLICY,
        number=9, losses=None, holdout_start=OCTOBER, passed=passed,
    )  # fmt: skip


@pytest.mark.parametrize("aliases", [set(), {"Challenger"}, {"Champion"}])
def test_expect_decision_uses_given_number(
    aliases: set[str],
) -> None:
    other = change(OTHER, aliases=frozenset(aliases))
    assert simulate(other) == run(change(CHALLENGER, version=9))
    assert isinstance(simulate(other), Promote)


def test_expect_decision_applies_all_rules() -> None:
    assert isinstance(simulate(OTHER, replace(BETTER, low=0.001)), Keep)
    failed = simulate(change(OTHER, status="FAILED"))
    assert isinstance(failed, Reject)
    assert "validation status is 'FAILED'" in failed.reason
    assert isinstance(simulate(change(OTHER, status="PENDING"), passed=True), Promote)
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
def test_reason_is_one_line_of_tag_length(given: str, kept: str) -> None:
    assert Reject(given).reason == kept
    assert Failed(given, ()).reason == kept


@pytest.mark.parametrize("reason", ["", " \n"])
def test_blank_reason_is_refused(reason: str) -> None:
    with pytest.raises(UnusableInputError, match="reason"):
        Promote(reason)


def test_labels_and_statuses_are_unique() -> None:
    decisions: tuple[Decision, ...] = (Promote("r"), Keep("r"), Reject("r"), NeedsApproval("r"))
    labels = ["promote", "keep", "reject", "needs_approval"]
    assert [decision.label for decision in decisions] == labels
    assert (Passed("r", ()).status, Failed("r", ()).status) == ("PASSED", "FAILED")
    assert len(set(decisions)) == 4


def test_decision_is_immutable() -> None:
    with pytest.raises(FrozenInstanceError):
        Keep("r").reason = "another"  # type: ignore[misc]
