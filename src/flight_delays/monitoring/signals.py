"""Monitored signals of a model, each a series of windows with a value."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ..config.monitoring import Kind, MonitoringPolicy
from ..evaluation.model_types import ModelType


@dataclass(frozen=True, kw_only=True)
class Window:
    """A window of a signal.

    Attributes:
        start: Its first instant.
        end: The first instant after it.
        rows: Number of rows behind the value.
        value: The measured value; None or NaN if it could not be measured.
        mature: Share of the window's rows whose labels should be known by now; 1 if no labels
            are needed.
        note: A note for the reason.
    """

    start: datetime
    end: datetime
    rows: int
    value: float | None
    mature: float = 1.0
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A monitored signal.

    Attributes:
        name: Its unique display name, such as `drift of distance`.
        kind: The kind of its rule in the policy.
        statistic: A metric, or a column of the drift table.
        subject: Its feature or table; blank for the model as a whole.
        unit: Unit of its values; blank if they have none.
        windows: Its known windows, oldest first.
    """

    name: str
    kind: Kind
    statistic: str
    subject: str = ""
    unit: str = ""
    windows: tuple[Window, ...] = ()


def list_signals(
    policy: MonitoringPolicy,
    model_type: ModelType,
    *,
    numerical: Iterable[str],
    categorical: Iterable[str],
    tables: Iterable[str],
    endpoint: bool,
    online: bool = False,
    compared: bool = False,
    sources: Iterable[str] = (),
) -> tuple[Signal, ...]:
    """Return the signals that the policy monitors, without windows.

    A table's value is its age divided by the allowed age. With `endpoint`, an endpoint serves the
    model and has enough requests; with `online`, requests look features up in online tables; with
    `compared`, enough requests were compared with the features of training. `sources` are the
    writers of the log (batch, endpoint, stream).
    """
    numerical, categorical = tuple(numerical), tuple(categorical)
    signals = policy.signals
    found: list[Signal] = []

    def add(kind: Kind, statistic: str, name: str, subject: str = "", unit: str = "") -> None:
        rule = policy.rule_of(kind, statistic)
        if rule is not None and rule.limit_of(subject) is not None:
            found.append(
                Signal(name=name, kind=kind, statistic=statistic, subject=subject, unit=unit)
            )

    if signals.numerical_drift:
        for each in numerical:
            add("numerical_drift", signals.numerical_drift.statistic, f"drift of {each}", each)
    if signals.categorical_drift:
        for each in categorical:
            add("categorical_drift", signals.categorical_drift.statistic, f"drift of {each}", each)
    if signals.score_drift:
        add("score_drift", signals.score_drift.statistic, "drift of the score")
    for metric in signals.quality:
        add("quality", metric, metric, unit=model_type.require_metric(metric).unit)
    for each in (*numerical, *categorical):
        add("nulls", "share", f"nulls of {each}", each)
    add("volume", "ratio", "rows", unit="of usual")
    if endpoint:
        add("errors", "share", "errors")
        add("latency", "p95", "latency", unit="ms")
    if compared:
        add("skew", "share", "skew of requests")
    for table in tables:
        add("freshness", "computed", f"age of {table}", table, "of allowed")
        if online:
            add("freshness", "published", f"age of {table} online", table, "of allowed")
    for source in sources:
        add("silence", "hours", f"silence of {source}", source, "hours")
    return tuple(found)
