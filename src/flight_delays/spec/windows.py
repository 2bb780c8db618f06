"""Time windows of training, holdout and batch inference."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd

from ..config.policy import BEGINNING, Window, Windows
from ..errors import InstantWithoutZoneError, WindowError


@dataclass(frozen=True)
class Interval:
    """The half-open interval of decision times `[start, end)`, in UTC."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        """Return the interval as text."""
        end = f"before {self.end:%Y-%m-%d %H:%M} UTC"
        return end if self.start == BEGINNING else f"from {self.start:%Y-%m-%d %H:%M}, {end}"


@dataclass(frozen=True)
class Split:
    """The training window and the holdout after it."""

    training: Interval
    holdout: Interval

    @property
    def learned_until(self) -> datetime:
        """The exclusive end of the training labels."""
        return self.holdout.start


def split_windows(as_of: datetime, windows: Windows, label_maturity: timedelta) -> Split:
    """Return the holdout before `as_of` and the training window before that.

    Both end `label_maturity` earlier: of later rows only early labels are known, which biases
    them. A training window of None starts in 1970.

    Raises:
        InstantWithoutZoneError: `as_of` has no time zone.
        WindowError: An interval is empty.
    """
    holdout = _reach_back("holdout", as_of, windows.holdout, label_maturity)
    training = _reach_back("training", holdout.start, windows.training, label_maturity)
    return Split(training, holdout)


def reach_batch(as_of: datetime, windows: Windows) -> Interval:
    """Return the interval that batch inference scores, around `as_of`.

    Raises:
        InstantWithoutZoneError: `as_of` has no time zone.
        WindowError: The interval before `as_of` is empty.
    """
    before = _reach_back("batch", as_of, windows.batch)
    return Interval(before.start, before.end + timedelta(hours=windows.ahead_hours))


def _reach_back(
    name: str, end: datetime, window: Window | None, before: timedelta = timedelta()
) -> Interval:
    if end.tzinfo is None:
        raise InstantWithoutZoneError("as_of", end)
    end = end.astimezone(UTC) - before
    start = BEGINNING
    if window is not None:
        offset = pd.DateOffset(months=window.months or 0, days=window.days or 0)
        start = (pd.Timestamp(end) - offset).to_pydatetime()
    if start >= end:
        raise WindowError(name, start, end)
    return Interval(start, end)
