"""Counts of both arms of a roll-out, and guardrails and quality computed from them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NoReturn, TypeAlias

import numpy as np

from ..config.rollout import GuardrailName, Quality, RolloutPolicy
from ..errors import UnusableInputError
from ..evaluation.model_types import format_figure
from .checks import is_figure
from .decide import CHALLENGER, CHAMPION
from .sequential import Sums, bound_increase, find_reach, subtract_means

QUALITY = "quality"
SIDES = (CHAMPION, CHALLENGER)
WORDS: Mapping[GuardrailName, str] = {
    "errors": "failed requests",
    "latency": "slow requests",
    "invalid_scores": "answers with a missing or impossible score",
    "score_distance": "distance of the scores (KS)",
}
# waiting: too few requests or labels. open: no significant result. missing: cannot be judged.
State: TypeAlias = Literal[
    "harm", "within", "waiting", "superior", "non-inferior", "open", "missing"
]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """Counts of one arm at one step, probes included.

    The unit is the request, because rows of one request are not independent: a request of several
    rows counts once, with its first row's score and the mean loss of its rows.

    Attributes:
        errors: Requests without a 2xx status.
        timed: Requests with a known latency; None if latency is not measured.
        slow: Timed requests that took longer than the limit.
        invalid: Responses with a missing or impossible score.
        scores: Number of valid scores in each bin; the bins are the same for both arms and were
            fixed before the roll-out.
        labels: Requests with a known label and a valid score.
        loss: Sum of their losses.
        squared_loss: Sum of the squares of these losses.
    """

    requests: int
    errors: int
    timed: int | None = None
    slow: int | None = None
    invalid: int | None = None
    scores: tuple[int, ...] | None = None
    labels: int = 0
    loss: float = 0.0
    squared_loss: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Step:
    """A period with a constant traffic split.

    The percentage is that of the Challenger; the arms are by `Champion` and `Challenger`.
    """

    percent: int
    minutes: float
    arms: Mapping[str, Arm]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """The result of a guardrail or of the quality.

    Attributes:
        champion: The Champion's share or mean loss; None if there is none.
        challenger: The Challenger's share or mean loss; None if there is none.
        difference: Challenger minus Champion; for scores, their distance.
        high: Upper bound, for quality only.
        requests: Requests of the smaller arm.
    """

    name: str
    champion: float | None = None
    challenger: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float
    requests: int = 0
    state: State
    detail: str


def measure(steps: Sequence[Step], policy: RolloutPolicy) -> tuple[Figure, ...]:
    """Return the guardrails of the last step, and the quality over all steps.

    Half of the policy's alpha controls false harm, half false non-inferiority. The first half is
    divided among the guardrails and the quality (Bonferroni), and each guardrail's part among the
    steps, which are judged separately.
    """
    names = policy.guardrails.names
    share = policy.alpha / 2 / (len(names) + (policy.quality is not None))
    alpha = share / max(len(policy.judged_steps), 1)
    figures = [_judge(name, steps[-1].arms, policy, alpha) for name in names]
    if policy.quality is not None:
        figures.append(_judge_quality(steps, policy.quality, share, policy.alpha / 2))
    return tuple(figures)


def count_requests(step: Step, policy: RolloutPolicy) -> int:
    """Return the minimum number of requests over guardrails and arms; 0 if unknown."""
    try:
        return min(
            _count(step.arms, side, name)[1]
            for name in policy.guardrails.names
            for side in (CHAMPION, CHALLENGER)
        )
    except UnusableInputError:
        return 0


def _judge(
    name: GuardrailName, arms: Mapping[str, Arm], policy: RolloutPolicy, alpha: float
) -> Figure:
    """Return the result of a guardrail."""
    limit = policy.guardrails.limit_of(name)
    try:
        (first, of_first), (second, of_second) = (
            _count(arms, side, name) for side in (CHAMPION, CHALLENGER)
        )
        distance = _measure_distance(arms, alpha) if name == "score_distance" else None
    except UnusableInputError as error:
        return Figure(name=name, limit=limit, state="missing", detail=f"{error}")
    rows = min(of_first, of_second)
    champion: float | None = None
    challenger: float | None = None
    if distance is None:
        champion, challenger = first / max(of_first, 1), second / max(of_second, 1)
        difference = challenger - champion
        low = float(bound_increase(first, of_first, second, of_second, alpha))
        words = f"{challenger:.2%} of {of_second:,}, Champion {champion:.2%} of "
        words += f"{of_first:,}; at least {format_figure(100 * max(low, 0.0))} points more "
        words += f"(limit {format_figure(100 * limit)})"
    else:
        difference, low = distance
        words = f"{format_figure(difference)} of {of_second:,} and {of_first:,}; at least "
        words += f"{format_figure(max(low, 0.0))} (limit {format_figure(limit)})"
    state: State = "within" if rows >= policy.min_requests else "waiting"
    return Figure(
        name=name,
        champion=champion,
        challenger=challenger,
        difference=difference,
        low=low,
        limit=limit,
        requests=rows,
        state="harm" if low > limit else state,
        detail=f"{WORDS[name]} {words}",
    )


def _measure_distance(arms: Mapping[str, Arm], alpha: float) -> tuple[float, float]:
    """Return the KS distance of the arms' scores at the bin edges, and its lower bound.

    The bound is over the edges and both directions.
    """
    champion, challenger = (arms[side].scores or () for side in (CHAMPION, CHALLENGER))
    if len(champion) != len(challenger) or len(champion) < 2:
        bins = f"{len(challenger)} bins, of the Champion {len(champion)}"
        _refuse(CHALLENGER, "scores", bins, "the same for both arms, 2 or more")
    below = [np.cumsum(each)[:-1].astype(float) for each in (champion, challenger)]
    sizes = [float(sum(each)) for each in (champion, challenger)]
    gaps = below[1] / max(sizes[1], 1.0) - below[0] / max(sizes[0], 1.0)
    each = alpha / (2 * gaps.size)
    both, totals = np.stack(below), np.asarray(sizes)[:, None]
    low = bound_increase(both, totals, both[::-1], totals[::-1], each)
    return float(np.abs(gaps).max()), float(low.max())


def _judge_quality(
    steps: Sequence[Step], quality: Quality, alpha_harm: float, alpha_better: float
) -> Figure:
    """Return the quality over all steps, stratified by step."""
    margin = quality.margin
    try:
        pairs = [[_read_losses(step.arms, side) for side in SIDES] for step in steps]
    except UnusableInputError as error:
        return Figure(name=QUALITY, limit=margin, state="missing", detail=f"{error}")
    both = [pair for pair in pairs if all(count for count, _, _ in pair)]
    losses = np.asarray(both, dtype=float).reshape(-1, len(SIDES), 3).transpose(1, 2, 0)
    counts, totals = losses[:, 0].sum(axis=1), losses[:, 1].sum(axis=1)
    fewest = int(counts.min())
    blank = Figure(name=QUALITY, limit=margin, requests=fewest, state="missing", detail="")
    if fewest < quality.min_labels:
        few = f"Quality is not judged: labels of {fewest:,} requests of an arm, "
        return replace(blank, state="waiting", detail=f"{few}{quality.min_labels:,} needed")
    gap, variance = subtract_means(*(Sums(*arm) for arm in losses))
    difference = float(gap)
    low = difference - float(find_reach(variance, margin, alpha_harm))
    high = difference + float(find_reach(variance, margin, alpha_better))
    if not math.isfinite(low) or not math.isfinite(high):
        alike = f"{quality.loss}: the losses of an arm are all the same; look at its scores"
        return replace(blank, detail=alike)
    champion, challenger = (float(mean) for mean in totals / counts)
    state: State = "open"
    if low > margin:
        state = "harm"
    elif high < margin:
        state = "superior" if high < 0 else "non-inferior"
    figures = map(format_figure, (challenger, champion, difference, low, high, margin))
    mine, theirs, gained, least, most, limit = figures
    return replace(
        blank,
        champion=champion,
        challenger=challenger,
        difference=difference,
        low=low,
        high=high,
        state=state,
        detail=f"{quality.loss} {mine}, Champion {theirs}, difference {gained} "
        f"({least} to {most}), margin {limit}, labels of {fewest:,} requests of the smaller arm",
    )


def _count(arms: Mapping[str, Arm], side: str, name: GuardrailName) -> tuple[int, int]:
    """Return a guardrail's number of events in an arm, and of requests.

    Raises:
        UnusableInputError: The arm or a count is missing or invalid.
    """
    arm = _require_arm(arms, side)
    requests = _whole(side, "requests", arm.requests)
    errors = _whole(side, "errors", arm.errors, requests)
    if name == "errors":
        return errors, requests
    if name == "latency":
        timed = _whole(side, "timed", arm.timed, requests)
        return _whole(side, "slow", arm.slow, timed), timed
    answers = requests - errors
    invalid = _whole(side, "invalid", arm.invalid, answers)
    if name == "invalid_scores":
        return invalid, answers
    scored = sum(_whole(side, "scores", each, answers) for each in arm.scores or ())
    if scored != (valid := answers - invalid):
        _refuse(side, "scores", f"{scored:,} of all bins", f"{valid:,}, as many as are valid")
    return 0, scored


def _read_losses(arms: Mapping[str, Arm], side: str) -> tuple[float, float, float]:
    """Return an arm's number of labels, sum of losses, and sum of squared losses."""
    arm = _require_arm(arms, side)
    count = _whole(side, "labels", arm.labels, _whole(side, "requests", arm.requests))
    sums = (arm.loss, arm.squared_loss)
    # Cauchy-Schwarz: the squared sum is at most the count times the sum of squares.
    if not all(map(is_figure, sums)) or arm.loss**2 > count * arm.squared_loss * (1 + 1e-9):
        got = f"a sum of {arm.loss} and of squares {arm.squared_loss}, of {count}"
        _refuse(side, "loss", got, "sums of as many finite numbers")
    return float(count), *sums


def _require_arm(arms: Mapping[str, Arm], side: str) -> Arm:
    if side not in arms:
        _refuse(side, "counts", f"none called {side}", " and ".join(SIDES))
    return arms[side]


def _whole(side: str, name: str, value: float | None, most: int | None = None) -> int:
    """Return a count if it is a whole number from 0 to `most`."""
    limit = "" if most is None else f" to {most:,}"
    if isinstance(value, bool) or not is_figure(value) or value < 0 or value != int(value):
        _refuse(side, name, f"{value}", f"a whole number from 0{limit}")
    if most is not None and value > most:
        _refuse(side, name, f"{value:,}", f"a whole number from 0{limit}")
    return int(value)


def _refuse(side: str, name: str, got: str, allowed: str) -> NoReturn:
    raise UnusableInputError(
        f"{name} of the {side}",
        got=got,
        allowed=allowed,
        remedy="Look at how the requests of the log are counted.",
    )
