"""What one signal comes to: k of its last n windows over the threshold, and the latest."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np

from ..config.monitoring import MonitoringPolicy, Windows
from ..errors import UnusableInputError
from ..evaluation.model_types import format_figure
from .signals import Signal, Window
from .verdicts import Figure, State

# An open window is judged once it has this share of the rows that ended windows usually have.
OPEN_SHARE = 0.8


def judge(
    signal: Signal, policy: MonitoringPolicy, *, now: datetime, model_since: datetime | None
) -> Figure:
    """Judge a signal.

    Args:
        signal: The signal with its windows, as far as they are known.
        policy: Has its rule.
        now: The present.
        model_since: When the present model took over; while its first window cannot have come
            yet, a signal without windows is waiting instead of missing.

    Raises:
        UnusableInputError: The policy does not watch the signal, or its windows overlap.
    """
    rule = policy.rule_of(signal.kind, signal.statistic)
    limit = rule.limit_of(signal.subject) if rule else None
    if rule is None or limit is None:
        raise UnusableInputError(
            f"signal {signal.name}",
            got=f"{signal.kind} by {signal.statistic}",
            allowed="what the policy watches",
            remedy="Make signals by list_signals.",
        )
    judged, skipped = _select(signal, policy.windows, now)
    last = judged[-rule.of :]
    values = [_read(window) for window in last]
    over = [value is not None and limit.is_exceeded_by(value) for value in values]
    patience = timedelta(hours=rule.newest_within_hours or policy.windows.newest_within_hours)
    state, detail = _decide(last, values, over, rule.windows, now, patience)
    if state == "missing" and not last and model_since and now - model_since <= patience:
        state, detail = "waiting", "the model has no window yet"
    asked = f"{'above' if limit.below is None else 'below'} {format_figure(limit.threshold)}"
    value = values[-1] if values else None
    if value is not None and state != "missing":
        detail = (
            f"{format_figure(value, signal.unit)}, {asked} is over; {sum(over)} of the last "
            f"{len(last)} windows over, {rule.windows} needed"
        )
    return Figure(
        signal=signal.name,
        kind=signal.kind,
        statistic=signal.statistic,
        unit=signal.unit,
        value=value,
        threshold=limit.threshold,
        then=rule.then,
        windows_over=sum(over),
        windows=len(last),
        skipped=_write(skipped),
        state=state,
        detail=f"{detail}; skipped: {_write(skipped)}" if skipped else detail,
    )


def _decide(
    last: Sequence[Window],
    values: Sequence[float | None],
    over: Sequence[bool],
    needed: int,
    now: datetime,
    patience: timedelta,
) -> tuple[State, str]:
    if not last:
        return "missing", "there is no window to judge"
    if last[-1].end + patience < now:
        return "missing", (
            f"the newest window to judge ended {last[-1].end.isoformat()}, longer ago than "
            f"{patience.total_seconds() / 3600:.0f} hours"
        )
    if values[-1] is None:
        return "missing", "the newest window has no value"
    if over[-1] and sum(over) >= needed:
        return "over", ""
    if None in values:
        return "missing", f"{values.count(None)} of the last {len(values)} windows have no value"
    return ("pending" if over[-1] else "within"), ""


def _select(signal: Signal, windows: Windows, now: datetime) -> tuple[list[Window], Counter[str]]:
    """Return the windows that can be judged, oldest first, and how many cannot by reason."""
    ordered = sorted(signal.windows, key=lambda window: window.start)
    for first, second in pairwise(ordered):
        if first.end > second.start:
            raise UnusableInputError(
                f"signal {signal.name}",
                got=f"windows from {first.start.isoformat()} and {second.start.isoformat()}",
                allowed="windows that do not overlap",
                remedy="Give the windows of one granularity, one slice and one model version.",
            )
    usual = float(np.median([w.rows for w in ordered if w.end <= now and w.rows] or [0]))
    judged, skipped = [], Counter[str]()
    for window in ordered:
        if window.start > now:
            skipped["later than now"] += 1
        elif window.rows < windows.min_rows and signal.kind not in ("volume", "freshness"):
            skipped[f"fewer than {windows.min_rows:,} rows"] += 1
        elif window.end > now and window.rows < OPEN_SHARE * usual:
            skipped["not yet over"] += 1
        elif window.mature < windows.mature_share:
            skipped["labels not yet known"] += 1
        else:
            judged.append(window)
    return judged, skipped


def _read(window: Window) -> float | None:
    value = window.value
    return float(value) if value is not None and np.isfinite(value) else None


def _write(skipped: Counter[str]) -> str:
    return ", ".join(f"{count} {why}" for why, count in sorted(skipped.items()))
