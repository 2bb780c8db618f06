"""Verdicts on a model in use."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from ..config.monitoring import Action, Kind

# pending: the latest window is over the threshold, but too few windows are. missing: cannot be
# judged. waiting: no window of this model is due yet.
State: TypeAlias = Literal["within", "pending", "over", "missing", "waiting"]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """The result of a signal.

    Attributes:
        unit: Unit of value and threshold.
        value: Value of the latest judged window; None if there is none.
        threshold: Threshold of a window.
        then: The verdict if it is over.
        windows_over: Number of the last windows over the threshold.
        windows: Number of judged windows.
        skipped: Number of skipped windows by reason, as text; empty if there are none.
        detail: The finding, as text.
    """

    signal: str
    kind: Kind
    statistic: str
    unit: str
    value: float | None
    threshold: float
    then: Action
    windows_over: int
    windows: int
    skipped: str
    state: State
    detail: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Assessed:
    """A verdict with its reason."""

    label: ClassVar[str]

    reason: str
    figures: tuple[Figure, ...] = field(repr=False)


class Retrain(Assessed):
    """Start a training."""

    label = "Retrain"


class Stale(Assessed):
    """Features are too old, or differ from those of training: refresh or repair them."""

    label = "Stale"


class Blind(Assessed):
    """A signal cannot be judged: repair its measurement."""

    label = "Blind"


class Watch(Assessed):
    """Inspect the model; no training is started."""

    label = "Watch"


class Healthy(Assessed):
    """No action needed."""

    label = "Healthy"


Verdict: TypeAlias = Stale | Retrain | Blind | Watch | Healthy
