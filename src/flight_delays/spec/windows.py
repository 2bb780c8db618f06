"""Windows of time: training, held out, batch."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd

from ..config.policy import BEGINNING, Window, Windows
from ..errors import InstantWithoutZoneError, WindowError


@dataclass(frozen=True)
class Interval:
    """The decisions from `start` on and before `end`, both UTC."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        """Return the interval as text."""
        end = f"before {self.end:%Y-%m-%d %H:%M} UTC"
        return end if self.start == BEGINNING else f"from {self.start:%Y-%m-%d %H:%M}, {end}"


@dataclass(frozen=True)
class Split:
    """The training window and, after it, the held-out window.

    Attributes:
        training: The rows that are learned from.
        holdout: The rows that a model is judged by.
    """

    training: Interval
    holdout: Interval

    @property
    def learned_until(self) -> datetime:
        """The exclusive instant up to which labels are learned from."""
        return self.holdout.start


def split_windows(as_of: datetime, windows: Windows, label_maturity: timedelta) -> Split:
    """Divide the time before `as_of` into the held-out window and the training window before it.

    Both end where labels are mature: the rows decided later have known labels only where these
    came early. A training window of None reaches back to 1970.

    Args:
        as_of: What was known before it is used.
        windows: Their lengths.
        label_maturity: How long after the decision a label is known.

    Raises:
        InstantWithoutZoneError: `as_of` has no time zone.
        WindowError: An interval covers nothing.
    """
    holdout = _reach_back("holdout", as_of, windows.holdout, label_maturity)
    training = _reach_back("training", holdout.start, windows.training, label_maturity)
    return Split(training, holdout)


def reach_batch(as_of: datetime, windows: Windows) -> Interval:
    """Return the rows that batch inference scores: the latest before `as_of` and the next after.

    Raises:
        InstantWithoutZoneError: `as_of` has no time zone.
        WindowError: The interval before `as_of` covers nothing.
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
