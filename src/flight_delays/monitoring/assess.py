"""The verdict on a model in use, from all its signals."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from ..config.monitoring import MonitoringPolicy
from ..errors import InstantWithoutZoneError, UnusableInputError
from .judge import judge
from .signals import Signal
from .verdicts import Blind, Figure, Healthy, Retrain, Verdict, Watch


def assess(
    signals: Iterable[Signal],
    policy: MonitoringPolicy,
    *,
    expected: Iterable[Signal],
    now: datetime,
    active_trainings: int,
    last_training: datetime | None,
    model_since: datetime | None = None,
) -> Verdict:
    """Decide what is done about a model in use.

    The worst of its signals counts: Retrain before Blind before Watch. What would start a training
    is Watch while one is running or was begun less than the cool-down ago.

    Args:
        signals: What was measured.
        policy: From where on something is done.
        expected: What ought to have been measured, from `list_signals`; what is not among the
            signals counts as missing.
        now: The present.
        active_trainings: How many trainings are running or queued.
        last_training: When the last training began, a scheduled one too; None without any.
        model_since: When the present model took over, where that is known.

    Raises:
        UnusableInputError: Two signals of one name, or one that is not expected.
    """
    for name, instant in (
        ("now", now),
        ("last_training", last_training),
        ("model_since", model_since),
    ):
        if instant is not None and instant.tzinfo is None:
            raise InstantWithoutZoneError(name, instant)
    figures = tuple(
        judge(signal, policy, now=now, model_since=model_since)
        for signal in _complete(list(signals), list(expected))
    )
    by = {
        "retrain": [each for each in figures if each.state == "over" and each.then == "retrain"],
        "watch": [each for each in figures if each.state == "over" and each.then == "watch"],
        "missing": [each for each in figures if each.state == "missing"],
        "waiting": [each for each in figures if each.state == "waiting"],
    }
    held = _find_hold(policy, now, active_trainings, last_training)
    if not figures:
        return Blind(
            reason="Nothing is watched. Name signals in conf/monitoring.yml.", figures=figures
        )
    if by["retrain"] and held is None:
        return Retrain(reason=_join("Over: ", by["retrain"], by["watch"]), figures=figures)
    if by["missing"]:
        return Blind(
            reason=_join("Cannot be judged: ", by["missing"])
            + ". Look at the tasks collect and monitor of the newest run",
            figures=figures,
        )
    if by["retrain"]:
        return Watch(
            reason=f"{_join('Over: ', by['retrain'], by['watch'])}. No training is started: {held}",
            figures=figures,
        )
    if by["watch"]:
        return Watch(reason=_join("Over: ", by["watch"]), figures=figures)
    if by["waiting"]:
        return Watch(reason=_join("Waiting for a first window: ", by["waiting"]), figures=figures)
    return Healthy(reason=f"All {len(figures)} signals are within their limits", figures=figures)


def _complete(signals: list[Signal], expected: list[Signal]) -> list[Signal]:
    found = {signal.name: signal for signal in signals}
    names = {signal.name for signal in expected}
    unknown = [name for name in found if name not in names]
    if len(found) != len(signals) or unknown:
        raise UnusableInputError(
            "signals",
            got=", ".join(unknown) or "two of one name",
            allowed=", ".join(sorted(names)),
            remedy="Make signals by list_signals and give each its windows.",
        )
    return [found.get(name) or each for name, each in sorted((e.name, e) for e in expected)]


def _find_hold(
    policy: MonitoringPolicy, now: datetime, active: int, last: datetime | None
) -> str | None:
    """Return why no training is started now, if so."""
    if active:
        return f"{active} {'is' if active == 1 else 'are'} running or queued"
    if last is not None and now - last < timedelta(days=policy.cool_down_days):
        return (
            f"the last began {last.isoformat()}, less than the cool-down of "
            f"{policy.cool_down_days} days ago"
        )
    return None


def _join(opening: str, *groups: Sequence[Figure]) -> str:
    told = [f"{each.signal} {each.detail}" for group in groups for each in group]
    more = f", and {len(told) - 5} more" if len(told) > 5 else ""
    return opening + "; ".join(told[:5]) + more
