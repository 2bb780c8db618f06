"""Decide the next step of a roll-out from the counts of both arms."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from ..config.rollout import RolloutPolicy
from .arms import QUALITY, SIDES, Figure, Step, count_requests, measure
from .decide import CHALLENGER, CHAMPION, Reasoned

Winner: TypeAlias = Literal["Champion", "Challenger"]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The state of a roll-out.

    Attributes:
        steps: All started steps, the current one last.
        minutes: Duration of the roll-out so far.
        offline_gate_passed: Whether the Challenger's validation is still valid; None if unknown.
    """

    steps: Sequence[Step]
    minutes: float
    offline_gate_passed: bool | None


@dataclass(frozen=True)
class Decided(Reasoned):
    """A decision with its reason and figures."""

    label: ClassVar[str]

    figures: tuple[Figure, ...] = field(repr=False)


@dataclass(frozen=True)
class Advance(Decided):
    """Give the Challenger more traffic.

    Attributes:
        next_percent: Its next share, below 100.
    """

    label: ClassVar[str] = "advance"

    next_percent: int


@dataclass(frozen=True)
class Hold(Decided):
    """Keep the traffic split; decide again later."""

    label: ClassVar[str] = "hold"


@dataclass(frozen=True)
class RollBack(Decided):
    """Return all traffic to the Champion: the Challenger does harm or is no longer valid."""

    label: ClassVar[str] = "roll_back"


@dataclass(frozen=True)
class Finish(Decided):
    """End the roll-out.

    Attributes:
        winner: The arm that gets all traffic; Champion only after an A/B test.
    """

    label: ClassVar[str] = "finish"

    winner: Winner = "Challenger"


Verdict: TypeAlias = Advance | Hold | RollBack | Finish


def decide_rollout(evidence: Evidence, policy: RolloutPolicy) -> Verdict:
    """Return the next step of a roll-out.

    Harm takes effect at once, even if other counts are missing. Otherwise the split is held while
    a count that the policy needs is missing or invalid.

    A step counts all requests since it began, with labels that arrive later. The policy's mode is
    gradual or ab.
    """
    present = evidence.steps[-1] if evidence.steps else None
    figures = () if present is None else measure(evidence.steps, policy)
    harm = [figure.detail for figure in figures if figure.state == "harm"]
    if harm:
        return RollBack(f"The {CHALLENGER} does harm: {'; '.join(harm)}", figures)
    if evidence.offline_gate_passed is False:
        return RollBack(
            f"The validation of the {CHALLENGER} no longer holds; run validate on it, or train "
            "again",
            figures,
        )
    flaws = _find_flaws(evidence, policy)
    flaws += dict.fromkeys(figure.detail for figure in figures if figure.state == "missing")
    if flaws or present is None:
        return Hold(f"Cannot be judged: {'; '.join(flaws) or 'there is no step'}", figures)
    if policy.mode == "ab":
        return _decide_ab(evidence, policy, figures)
    return _decide_step(evidence, present, policy, figures)


def _decide_step(
    evidence: Evidence, present: Step, policy: RolloutPolicy, figures: tuple[Figure, ...]
) -> Verdict:
    """Return the decision for a gradual roll-out without harm."""
    quality = next((figure for figure in figures if figure.name == QUALITY), None)
    quality_words = f" {quality.detail}." if quality else " No quality is judged."
    state = quality.state if quality else "waiting"
    rows = count_requests(present, policy)
    so_far = (
        f"{present.percent} % for {present.minutes:,.0f} minutes, {rows:,} requests of the smaller "
        "arm, no guardrail is crossed"
    )
    if evidence.minutes >= policy.horizon:
        return _decide_horizon(evidence, policy, figures, so_far, quality_words)
    lacking = []
    if rows < policy.min_requests:
        lacking.append(f"{policy.min_requests:,} requests")
    if present.minutes < policy.min_minutes:
        lacking.append(f"{policy.min_minutes:,} minutes")
    if state == "open":
        lacking.append("a quality that is shown not to be worse by the margin")
    if lacking:
        return Hold(f"{so_far}. Still needed: {', '.join(lacking)}.{quality_words}", figures)
    following = min(step for step in policy.steps if step > present.percent)
    if following == 100:
        return Finish(f"{so_far}.{quality_words} The last step before 100 % is passed", figures)
    return Advance(f"{so_far}.{quality_words} Next: {following} %", figures, following)


def _decide_horizon(
    evidence: Evidence,
    policy: RolloutPolicy,
    figures: tuple[Figure, ...],
    so_far: str,
    quality_words: str,
) -> Verdict:
    """Return the decision for a gradual roll-out without harm at its horizon."""
    ended = f"The horizon of {policy.horizon:,} minutes is reached: {so_far}"
    rows = sum(count_requests(step, policy) for step in evidence.steps)
    shown = {figure.state for figure in figures} & {"superior", "non-inferior"}
    evidence_words = (
        "" if shown else " There is no evidence that it is better, nor that it is worse."
    )
    if rows >= policy.min_requests:
        return Finish(f"{ended}.{quality_words}{evidence_words}", figures)
    few = f"{ended}. Only {rows:,} requests in all, {policy.min_requests:,} needed"
    if policy.on_no_traffic == "hold":
        return Hold(f"{few}; on_no_traffic: hold. Send requests, or roll back by hand", figures)
    return Finish(
        f"{few}; on_no_traffic: finish, by the offline gate alone.{evidence_words}", figures
    )


def _decide_ab(evidence: Evidence, policy: RolloutPolicy, figures: tuple[Figure, ...]) -> Verdict:
    """Return the decision for an A/B test without harm; without a winner the Champion stays."""
    minutes = f"{evidence.minutes:,.0f} of {policy.horizon:,} minutes"
    quality = next(figure for figure in figures if figure.name == QUALITY)
    if evidence.minutes < policy.horizon:
        return Hold(f"The A/B test has lasted {minutes}, without harm: {quality.detail}", figures)
    ended = f"The A/B test is over ({minutes}): {quality.detail}"
    enough = {"superior"}
    if policy.ab is not None and policy.ab.wins_by == "non-inferiority":
        enough.add("non-inferior")
    rows = sum(count_requests(step, policy) for step in evidence.steps)
    if rows < policy.min_requests:
        return Finish(
            f"{ended}. No evidence: {rows:,} requests of the smaller arm, "
            f"{policy.min_requests:,} needed. The {CHAMPION} is kept",
            figures,
            CHAMPION,
        )
    if quality.state in enough:
        return Finish(f"{ended}. The {CHALLENGER} is {quality.state} and wins", figures)
    if quality.low is not None and quality.low > 0:
        return Finish(f"{ended}. The {CHAMPION} is better and is kept", figures, CHAMPION)
    return Finish(
        f"{ended}. No evidence that the {CHALLENGER} is better: the {CHAMPION} is kept",
        figures,
        CHAMPION,
    )


def _find_flaws(evidence: Evidence, policy: RolloutPolicy) -> list[str]:
    """Return the contradictions in the evidence, as text."""
    flaws = []
    if evidence.offline_gate_passed is None:
        flaws.append("it is not known whether the validation holds")
    for step in evidence.steps:
        if step.percent not in policy.judged_steps:
            allowed = _list(set(policy.judged_steps))
            flaws.append(f"got a step of {step.percent} %, allowed: {allowed}")
        unknown = set(step.arms) - set(SIDES)
        if unknown:
            flaws.append(f"got requests of {_list(unknown)}, allowed: {' and '.join(SIDES)}")
    times = [evidence.minutes, *(step.minutes for step in evidence.steps)]
    if not all(math.isfinite(each) and each >= 0 for each in times) or max(times) > times[0]:
        flaws.append(f"got steps of {', '.join(map(str, times[1:]))} minutes, of {times[0]} in all")
    percents = [step.percent for step in evidence.steps]
    if percents != sorted(set(percents)):
        flaws.append(f"got steps of {percents} %, allowed: rising ones")
    return flaws


def _list(those: set[str] | set[int]) -> str:
    return ", ".join(str(each) for each in sorted(those))
