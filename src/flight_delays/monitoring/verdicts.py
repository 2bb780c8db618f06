"""What is decided about a model in use."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from ..config.monitoring import Action, Kind

# within: fine. pending: the latest is over, but too few windows are. over: as the rule says.
# missing: cannot be judged. waiting: too early for a first window of this model.
State: TypeAlias = Literal["within", "pending", "over", "missing", "waiting"]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What was found of a signal.

    Attributes:
        signal: Its name.
        kind: Its kind.
        statistic: What was measured.
        unit: Unit of value and threshold.
        value: Of the latest window that was judged; None where there is none.
        threshold: From where on a window is over.
        then: What is done where it is over.
        windows_over: How many of the last windows are over.
        windows: How many were judged.
        skipped: Windows that were not judged, and why, in words; empty if there are none.
        state: What it comes to.
        detail: What was found, for a person.
        remedy: What a person does about it.
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
    """A verdict, and why.

    Attributes:
        reason: One line.
        figures: Of every signal.
    """

    label: ClassVar[str]

    reason: str
    figures: tuple[Figure, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Retrain(Assessed):
    """A training is started."""

    label: ClassVar[str] = "Retrain"


@dataclass(frozen=True, kw_only=True)
class Stale(Assessed):
    """Features are too old, or others than training uses: a person brings them up to date."""

    label: ClassVar[str] = "Stale"


@dataclass(frozen=True, kw_only=True)
class Blind(Assessed):
    """Something cannot be judged: a person repairs what measures it."""

    label: ClassVar[str] = "Blind"


@dataclass(frozen=True, kw_only=True)
class Watch(Assessed):
    """A person looks."""

    label: ClassVar[str] = "Watch"


@dataclass(frozen=True, kw_only=True)
class Healthy(Assessed):
    """Nothing is to be done."""

    label: ClassVar[str] = "Healthy"


Verdict: TypeAlias = Stale | Retrain | Blind | Watch | Healthy
