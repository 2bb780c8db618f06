"""Decisions of a roll-out: missing data never advances, harm rolls back with its reason."""

from collections.abc import Mapping
from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight_delays.config.rollout import RolloutPolicy
from flight_delays.promotion.arms import Arm, Step
from flight_delays.promotion.rollout import (
    Advance,
    Evidence,
    Finish,
    Hold,
    RollBack,
    Verdict,
    decide_rollout,
)

POLICY: dict[str, Any] = {
    "mode": "gradual",
    "steps": [5, 25, 50, 100],
    "min_requests": 400,
    "min_minutes": 75,
    "look_seconds": 60,
    "probes": 20,
    "horizon_minutes": 1440,
    "on_no_traffic": "finish",
    "alpha": 0.05,
    "guardrails": {
        "errors": {"max_increase": 0.01},
        "latency": {"limit_ms": 1000, "max_increase": 0.05},
        "invalid_scores": {"max_increase": 0.005},
        "score_distance": {"max": 0.2},
    },
    "quality": {"loss": "log_loss", "margin": 0.05, "min_labels": 200},
    "ab": {"percent": 50, "minutes": 20160, "wins_by": "superiority"},
}
WHOLE = (1, 2, 3, 2, 1, 1)


def count(requests: int, *, loss: float | None = None, **changes: Any) -> Arm:
    """Return a valid arm; given a mean, its losses have a standard deviation of 0.5."""
    errors, invalid = changes.get("errors", requests // 1000), changes.get("invalid", 0)
    scored = requests - errors - invalid
    parts = [scored * part // sum(WHOLE) for part in WHOLE]
    found: dict[str, Any] = {
        "requests": requests,
        "errors": errors,
        "timed": requests,
        "slow": requests // 200,
        "invalid": invalid,
        "scores": (*parts[:-1], scored - sum(parts[:-1])),
    }
    if loss is not None:
        found |= {
            "labels": scored,
            "loss": scored * loss,
            "squared_loss": scored * (loss**2 + 0.25),
        }
    return Arm(**{**found, **changes})


CHAMPION, CHALLENGER = count(9500), count(500)


def decide(
    challenger: Arm = CHALLENGER,
    champion: Arm = CHAMPION,
    *,
    percent: int = 5,
    minutes: float = 80,
    total: float = 80,
    gate: bool | None = True,
    arms: Mapping[str, Arm] | None = None,
    **policy: Any,
) -> Verdict:
    both = {"Champion": champion, "Challenger": challenger} if arms is None else arms
    evidence = Evidence(
        steps=[Step(percent=percent, minutes=minutes, arms=both)],
        minutes=total,
        offline_gate_passed=gate,
    )
    return decide_rollout(evidence, RolloutPolicy.model_validate({**POLICY, **policy}))


# Planted faults and the expected text in the reason.
FAULTS = {
    "failed requests": count(500, errors=40),
    "slow requests": replace(CHALLENGER, slow=120),
    "missing or impossible score": count(500, invalid=30),
    "distance of the scores": replace(CHALLENGER, scores=(0, 0, 0, 0, 0, 500)),
    "log_loss": count(500, loss=0.75),
}


@pytest.mark.parametrize("named", FAULTS)
@pytest.mark.parametrize("mode", ["gradual", "ab"])
def test_harm_rolls_back_for_its_own_reason_at_once(named: str, mode: str) -> None:
    champion = count(9500, loss=0.45)
    verdict = decide(FAULTS[named], champion, minutes=1, total=1, mode=mode)
    assert isinstance(verdict, RollBack)
    assert named in verdict.reason
    assert [figure.state for figure in verdict.figures].count("harm") == 1


@pytest.mark.parametrize(("percent", "following"), [(5, 25), (25, 50)])
def test_a_step_without_harm_leads_to_the_next(percent: int, following: int) -> None:
    verdict = decide(percent=percent)
    assert isinstance(verdict, Advance)
    assert verdict.next_percent == following
    assert "Quality is not judged: labels of 0 requests" in verdict.reason


def test_after_the_last_step_the_challenger_gets_all_traffic() -> None:
    verdict = decide(percent=50)
    assert isinstance(verdict, Finish)
    assert verdict.winner == "Challenger"


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        ({"challenger": count(399)}, "400 requests"),
        ({"champion": count(399)}, "400 requests"),
        ({"challenger": replace(CHALLENGER, timed=399)}, "400 requests"),
        ({"minutes": 74.9}, "75 minutes"),
        (
            {"challenger": count(500, loss=0.45), "champion": count(9500, loss=0.45)},
            "not to be worse by the margin",
        ),
    ],
)
def test_a_step_that_lacks_something_is_held_and_the_reason_says_what(
    change: dict[str, Any], needed: str
) -> None:
    verdict = decide(**change)
    assert isinstance(verdict, Hold)
    assert f"Still needed: {needed}" in verdict.reason or needed in verdict.reason


@pytest.mark.parametrize(
    ("loss", "state"), [(0.45, "non-inferior"), (0.3, "superior")], ids=["equal", "better"]
)
def test_a_quality_that_is_shown_leads_to_the_next_step(loss: float, state: str) -> None:
    verdict = decide(count(20_000, loss=loss), count(60_000, loss=0.45), percent=25)
    assert isinstance(verdict, Advance)
    assert verdict.figures[-1].state == state


def test_labels_of_former_steps_count_for_the_quality_of_the_present_one() -> None:
    arms = {"Champion": count(60_000, loss=0.45), "Challenger": count(20_000, loss=0.45)}
    former = Step(percent=5, minutes=80, arms=arms)
    present = Step(percent=25, minutes=80, arms={"Champion": CHAMPION, "Challenger": CHALLENGER})
    evidence = Evidence(steps=[former, present], minutes=160, offline_gate_passed=True)
    verdict = decide_rollout(evidence, RolloutPolicy.model_validate(POLICY))
    assert isinstance(verdict, Advance)
    assert verdict.figures[-1].requests == 19_980


@pytest.mark.parametrize(
    ("challenger", "champion", "policy", "kind", "words"),
    [
        (CHALLENGER, CHAMPION, "finish", Finish, "no evidence"),
        (count(500, loss=0.45), count(9500, loss=0.45), "hold", Finish, "no evidence"),
        (count(20_000, loss=0.45), count(60_000, loss=0.45), "hold", Finish, "horizon of 1,440"),
        (count(30), CHAMPION, "finish", Finish, "on_no_traffic: finish, by the offline gate alone"),
        (count(30), CHAMPION, "hold", Hold, "on_no_traffic: hold. Send requests"),
        (FAULTS["failed requests"], CHAMPION, "finish", RollBack, "failed requests"),
    ],
)
def test_at_the_horizon_the_policy_decides(
    challenger: Arm, champion: Arm, policy: Any, kind: type[Verdict], words: str
) -> None:
    verdict = decide(challenger, champion, total=1440, on_no_traffic=policy)
    assert isinstance(verdict, kind)
    assert words in verdict.reason
    shown = verdict.figures[-1].state in ("superior", "non-inferior")
    assert ("no evidence" in verdict.reason) == (isinstance(verdict, Finish) and not shown)


BROKEN: Mapping[str, Any] = {
    "errors": [nan, -1, inf, None, 501, 1.5, True],
    "requests": [nan, -1, None],
    "timed": [None, 501, nan],
    "slow": [None, -1, 501],
    "invalid": [None, nan, 501],
    "scores": [None, (), (500,), (250, 250), (1, 1, 1, 1, 1, -1), (1, 1, 1, 1, 1, 1)],
    "labels": [None, nan, -1, 501],
    "loss": [None, nan, inf],
    "squared_loss": [nan, -1.0],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in BROKEN.items() for value in values]
)
@pytest.mark.parametrize(("side", "total"), [("Champion", 80), ("Challenger", 1440)])
def test_a_count_that_cannot_be_is_held(field: str, value: Any, side: str, total: int) -> None:
    # Both arms have the Challenger's counts, so that 501 is too many.
    arms = {"Champion": count(500, loss=0.45), "Challenger": count(500, loss=0.45)}
    arms[side] = replace(arms[side], **{field: value})
    verdict = decide(arms=arms, total=total)
    assert isinstance(verdict, Hold)
    assert verdict.reason.startswith("Cannot be judged: ")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"arms": {"Champion": CHAMPION}}, "none called Challenger"),
        ({"arms": {"Challenger": CHALLENGER}}, "none called Champion"),
        (
            {"arms": {"Champion": CHAMPION, "Challenger": CHALLENGER, "model-9": CHALLENGER}},
            "requests of model-9",
        ),
        ({"percent": 33}, "a step of 33 %, allowed: 5, 25, 50"),
        ({"percent": 100}, "a step of 100 %, allowed: 5, 25, 50"),
        ({"minutes": nan}, "nan minutes"),
        ({"minutes": -1}, "-1 minutes"),
        ({"minutes": 81}, "steps of 81 minutes, of 80 in all"),
        ({"total": nan}, "nan in all"),
        ({"gate": None}, "not known whether the validation holds"),
    ],
)
def test_evidence_that_does_not_fit_is_held_and_the_reason_says_what(
    change: dict[str, Any], words: str
) -> None:
    verdict = decide(**change)
    assert isinstance(verdict, Hold)
    assert words in verdict.reason


def test_without_a_step_nothing_is_decided() -> None:
    evidence = Evidence(steps=[], minutes=0, offline_gate_passed=True)
    verdict = decide_rollout(evidence, RolloutPolicy.model_validate(POLICY))
    assert isinstance(verdict, Hold)
    assert "there is no step" in verdict.reason


def test_harm_counts_although_something_else_is_missing() -> None:
    verdict = decide(replace(FAULTS["failed requests"], timed=None, slow=None), gate=None)
    assert isinstance(verdict, RollBack)


@pytest.mark.parametrize("mode", ["gradual", "ab"])
def test_a_validation_that_no_longer_holds_rolls_back(mode: str) -> None:
    assert isinstance(decide(mode=mode, gate=False), RollBack)


@pytest.mark.parametrize(
    ("requests", "loss", "wins_by", "winner", "words"),
    [
        (30_000, 0.40, "superiority", "Challenger", "is superior and wins"),
        (30_000, 0.45, "superiority", "Champion", "No evidence that the Challenger is better"),
        (30_000, 0.45, "non-inferiority", "Challenger", "is non-inferior and wins"),
        (30_000, 0.48, "superiority", "Champion", "The Champion is better and is kept"),
        (500, 0.40, "superiority", "Champion", "No evidence that the Challenger is better"),
        (500, 0.40, "non-inferiority", "Champion", "No evidence that the Challenger is better"),
    ],
)
def test_an_ab_test_ends_at_its_horizon_for_the_better(
    requests: int, loss: float, wins_by: str, winner: str, words: str
) -> None:
    ab = {**POLICY["ab"], "wins_by": wins_by}
    arms = count(requests, loss=loss), count(requests, loss=0.45)
    before = decide(*arms, percent=50, total=20_159, minutes=80, mode="ab", ab=ab)
    assert isinstance(before, Hold)
    verdict = decide(*arms, percent=50, total=20_160, minutes=80, mode="ab", ab=ab)
    assert isinstance(verdict, Finish)
    assert (verdict.winner, words in verdict.reason) == (winner, True)


def test_an_ab_test_without_labels_keeps_the_champion() -> None:
    verdict = decide(percent=50, total=20_160, mode="ab")
    assert isinstance(verdict, Finish)
    assert verdict.winner == "Champion"
    assert "No evidence" in verdict.reason


EVENTS = st.integers(0, 60)


@given(EVENTS, EVENTS, EVENTS, st.sampled_from(["errors", "slow", "invalid"]))
@settings(max_examples=15, deadline=None)
def test_more_events_of_the_challenger_never_lead_to_a_milder_verdict(
    errors: int, slow: int, invalid: int, worse: str
) -> None:
    found = {"errors": errors, "slow": slow, "invalid": invalid}
    before = decide(count(500, **found))
    after = decide(count(500, **{**found, worse: found[worse] + 40}))
    if isinstance(before, RollBack):
        assert isinstance(after, RollBack)
    assert "\n" not in after.reason
