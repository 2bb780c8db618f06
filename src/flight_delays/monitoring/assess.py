"""The verdict on a model in use, from all its signals."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ..config.monitoring import MonitoringPolicy
from ..errors import InstantWithoutZoneError, UnusableInputError
from .judge import find_usual_rows, judge
from .signals import Signal
from .verdicts import Blind, Figure, Healthy, Retrain, Stale, Verdict, Watch

# Maximum number of signals that a reason lists; the figures have all of them.
NAMED = 5
# Signals whose windows count requests, not rows.
OF_REQUESTS = ("errors", "latency", "skew")


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
    """Return the verdict on a model in use.

    The most severe signal decides: Stale, Retrain, Blind, Watch. Stale is first because training
    does not refresh features, and predictions from stale features say little about the model.
    Retrain becomes Watch while a training runs and during the cool-down.

    `expected` are all signals to measure, from `list_signals`; those without a measurement count as
    missing. `active_trainings` are running or queued; `last_training` is the start of the last one,
    scheduled or not; `model_since` is when the model became Champion, if known.

    Raises:
        UnusableInputError: Duplicate or unexpected signals.
        InstantWithoutZoneError: An instant has no time zone.
    """
    instants = {"now": now, "last_training": last_training, "model_since": model_since}
    for name, instant in instants.items():
        if instant is not None and instant.tzinfo is None:
            raise InstantWithoutZoneError(name, instant)
    watched = _complete(list(signals), list(expected))
    usual = next((find_usual_rows(s.windows, now) for s in watched if s.kind == "volume"), None)
    figures = tuple(
        judge(
            signal,
            policy,
            now=now,
            usual_rows=None if signal.kind in OF_REQUESTS else usual,
            model_since=model_since,
        )
        for signal in watched
    )
    if not figures:
        return Blind(
            reason="No signals are monitored. Add signals in conf/monitoring.yml", figures=figures
        )
    over = [figure for figure in figures if figure.state == "over"]
    retrain = [figure for figure in over if figure.then == "retrain"]
    watch = [figure for figure in over if figure.then == "watch"]
    stale = [figure for figure in over if figure.then == "stale"]
    blind = [figure for figure in over if figure.then == "blind"]
    blind += [figure for figure in figures if figure.state == "missing"]
    waiting = [figure for figure in figures if figure.state == "waiting"]
    if stale:
        found = _write("Features are stale", stale, retrain, blind, watch)
        return Stale(reason=found, figures=figures)
    held = _find_hold(policy, now, active_trainings, last_training)
    if retrain and not held:
        return Retrain(reason=_write("Retraining is needed", retrain, watch), figures=figures)
    if blind:
        return Blind(reason=_write("Cannot be judged", blind, retrain, watch), figures=figures)
    if retrain:
        return Watch(reason=_write(f"No training, {held}", retrain, watch), figures=figures)
    if watch:
        return Watch(reason=_write("Over the limit", watch), figures=figures)
    if waiting:
        return Watch(
            reason=f"{len(waiting)} of {len(figures)} signals have no window of this model yet",
            figures=figures,
        )
    return Healthy(reason=f"All {len(figures)} signals are within their limits", figures=figures)


def _complete(signals: list[Signal], expected: list[Signal]) -> list[Signal]:
    """Return the expected signals sorted by name, with their measured windows."""
    found = {signal.name: signal for signal in signals}
    names = {signal.name for signal in expected}
    unknown = sorted(set(found) - names)
    if len(found) != len(signals) or len(names) != len(expected) or unknown:
        raise UnusableInputError(
            "signals",
            got=", ".join(unknown) or "two of one name",
            allowed=", ".join(sorted(names)),
            remedy="Make signals by list_signals and give each its windows.",
        )
    return [
        found.get(each.name, replace(each, windows=()))
        for each in sorted(expected, key=lambda each: each.name)
    ]


def _find_hold(
    policy: MonitoringPolicy, now: datetime, active: int, last: datetime | None
) -> str | None:
    """Return why no training may start now; None if one may."""
    if active:
        return f"{active} running or queued"
    if last is not None and now - last < timedelta(days=policy.cool_down_days):
        days = policy.cool_down_days
        return f"the last began {last.isoformat()}, less than the cool-down of {days} days ago"
    return None


def _write(opening: str, *groups: Sequence[Figure]) -> str:
    """Return the findings and remedies in one line."""
    figures = [figure for group in groups for figure in group]
    alike: dict[str, list[str]] = {}
    for figure in figures:
        alike.setdefault(figure.detail, []).append(figure.signal)
    parts = [f"{_list(names)}: {detail}" for detail, names in list(alike.items())[:NAMED]]
    if len(alike) > NAMED:
        parts.append(f"{len(alike) - NAMED} more")
    remedies = list(dict.fromkeys(figure.remedy for figure in figures))[:2]
    return f"{opening}: {'; '.join(parts)}. To do: {'; '.join(remedies)}"


def _list(names: Sequence[str]) -> str:
    if len(names) <= NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} others"
