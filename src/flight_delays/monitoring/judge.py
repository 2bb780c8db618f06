"""Evaluate one signal: k of its last n windows over the threshold, the latest included."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from ..config.monitoring import Kind, Limit, MonitoringPolicy, Rule
from ..errors import UnusableInputError
from ..evaluation.model_types import format_figure
from .signals import Signal, Window
from .verdicts import Figure, State

# Signals that are judged on windows of any size.
OF_ANY_SIZE = ("volume", "freshness", "silence")

# What to do about signals over their limit, and about missing ones.
COMPARE = (
    "compare the feature with the baseline on the dashboard: repair its source, or train again"
)
REQUESTS = "look at the endpoint's logs and load"
REFRESH = "run feature_refresh, and repair what fails in it"
OVER: Mapping[Kind, str] = {
    "numerical_drift": COMPARE,
    "categorical_drift": COMPARE,
    "score_drift": "find the feature that has drifted; if its source is correct, train again",
    "quality": "compare slices and features with the baseline, and train again",
    "nulls": "look at the quarantine and at ingest of the feature's source",
    "volume": "look at batch_inference and at the callers of the endpoint",
    "errors": REQUESTS,
    "latency": REQUESTS,
    "skew": "compare keys and times of requests with the source's, and what is online with the "
    "feature tables",
    "freshness": REFRESH,
    "silence": "run batch_inference, or find out why there are no requests",
}
MEASURED = "look at the tasks collect and monitor of the newest run"
MISSING: Mapping[Kind, str] = {
    "quality": "look at ingest of the labels and at the task collect",
    "freshness": REFRESH,
    "silence": OVER["silence"],
}


def judge(
    signal: Signal,
    policy: MonitoringPolicy,
    *,
    now: datetime,
    usual_rows: float | None = None,
    model_since: datetime | None = None,
) -> Figure:
    """Return the state of a signal.

    By default, `usual_rows` is the median of the signal's own windows. `model_since` is when the
    model became Champion; until its first window is due, a signal without windows is waiting
    instead of missing.

    Raises:
        UnusableInputError: The policy has no rule for the signal, or its windows overlap.
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
    judged, skipped = _select(signal, rule, policy, now, usual_rows)
    last = judged[-rule.of :]
    values = [_read(window) for window in last]
    over = [value is not None and limit.is_exceeded_by(value) for value in values]
    patience = timedelta(hours=rule.newest_within_hours or policy.windows.newest_within_hours)
    missing = _find_missing(last, values, now, patience)
    value = values[-1] if values else None
    enough = sum(over) >= rule.windows
    state: State = "within"
    is_young = model_since is not None and now - model_since <= patience
    if missing and not last and is_young and signal.kind != "freshness":
        state, missing = "waiting", "no window of this model is due yet"
    elif missing:
        state = "missing"
    elif value is not None and over[-1]:
        enough |= rule.is_enough_at_once(signal.subject, value)
        state = "over" if enough else "pending"
    if state in ("within", "pending") and None in values:
        state, missing = "missing", f"no value in {values.count(None)} of {len(values)} windows"
    detail = missing or _describe(signal, rule, limit, values, over)
    if last and last[-1].note:
        detail += f": {last[-1].note}"
    passed_over = ", ".join(f"{count} {why}" for why, count in sorted(skipped.items()))
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
        skipped=passed_over,
        state=state,
        detail=f"{detail} (skipped: {passed_over})" if passed_over else detail,
        remedy=find_remedy(signal.kind, is_missing=state == "missing"),
    )


def find_usual_rows(windows: Sequence[Window], now: datetime) -> float | None:
    """Return the median rows of the windows that have ended; None if there are none."""
    ended = [window.rows for window in windows if window.end <= now and window.rows]
    return median(ended) if ended else None


def _find_missing(
    last: Sequence[Window], values: Sequence[float | None], now: datetime, patience: timedelta
) -> str:
    """Return why the current state is unknown; blank if it is known."""
    if not last:
        return "no window to judge"
    if last[-1].end + patience < now:
        hours = patience.total_seconds() / 3600
        return (
            f"the newest window to judge ended {last[-1].end.isoformat()}, more than {hours:.0f} "
            "hours ago"
        )
    return "the newest window has no value" if values[-1] is None else ""


def _describe(
    signal: Signal,
    rule: Rule,
    limit: Limit,
    values: Sequence[float | None],
    over: Sequence[bool],
) -> str:
    side = "above" if limit.below is None else "below"
    text = f"{format_figure(values[-1], signal.unit)}, limit {side} {limit.threshold:g}"
    if rule.of > 1:
        text += f" in {rule.windows} of {rule.of} windows ({sum(over)} of {len(over)} are)"
    if rule.at_once is not None and signal.subject not in rule.own:
        text += f" or {side} {rule.at_once:g} at once"
    return text


def _select(
    signal: Signal, rule: Rule, policy: MonitoringPolicy, now: datetime, usual: float | None
) -> tuple[list[Window], Counter[str]]:
    """Return the windows to judge, oldest first, and the number of skipped ones by reason."""
    ordered = sorted(signal.windows, key=lambda window: window.start)
    for first, second in pairwise(ordered):
        if first.end > second.start:
            raise UnusableInputError(
                f"signal {signal.name}",
                got=f"windows from {first.start.isoformat()} and {second.start.isoformat()}",
                allowed="windows that do not overlap",
                remedy="Give the windows of one granularity, one slice and one model version.",
            )
    if usual is None:
        usual = find_usual_rows(ordered, now) or 0.0
    least = 0 if signal.kind in OF_ANY_SIZE else rule.min_rows or policy.windows.min_rows
    judged: list[Window] = []
    skipped = Counter[str]()
    for window in ordered:
        is_open = window.end > now and signal.kind not in ("freshness", "silence")
        if window.start > now:
            skipped["later than now"] += 1
        elif window.rows < least:
            skipped[f"with fewer than {least:,} rows"] += 1
        elif is_open and window.rows < policy.windows.open_share * usual:
            skipped["not over yet"] += 1
        elif not window.mature >= policy.windows.mature_share:
            skipped["whose labels are not known yet"] += 1
        else:
            judged.append(window)
    return judged, skipped


def _read(window: Window) -> float | None:
    value = window.value
    return float(value) if value is not None and math.isfinite(value) else None


def find_remedy(kind: Kind, *, is_missing: bool) -> str:
    """Return the remedy for a signal of this kind."""
    return MISSING.get(kind, MEASURED) if is_missing else OVER[kind]
