"""The interval of rows to read, on the archive's calendar and the shifted one."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import numpy as np
import pandas as pd

from ..errors import InstantWithoutZoneError

YEAR_DAYS = 364


class ShiftError(ValueError):
    """The shift is not a whole number of 364-day years."""

    def __init__(self, got: int) -> None:
        self.got = got
        super().__init__(
            f"shift_days must be zero or a positive multiple of 364 (52 whole weeks, so that "
            f"weekdays stay), got {got}. Use 0 for the dates as recorded, or for example 4732 "
            "to move 2013 to 2025/26."
        )


@dataclass(frozen=True)
class Span:
    """A half-open interval on the archive's calendar.

    Attributes:
        start: The inclusive start, UTC.
        end: The exclusive end, UTC.
        shift: Shift of the archive's dates when rows are written.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    shift: pd.Timedelta

    @classmethod
    def of(cls, since: datetime, as_of: datetime, shift_days: int) -> Self:
        """Return the span of rows that became known in `[since, as_of)`.

        Raises:
            InstantWithoutZoneError: An instant has no time zone.
            ShiftError: The shift is not a whole number of 364-day years.
        """
        for name, instant in (("since", since), ("as_of", as_of)):
            if instant.tzinfo is None:
                raise InstantWithoutZoneError(name, instant)
        if shift_days < 0 or shift_days % YEAR_DAYS:
            raise ShiftError(shift_days)
        shift = pd.Timedelta(days=shift_days)
        start, end = (pd.Timestamp(each.astimezone(UTC)) - shift for each in (since, as_of))
        return cls(start, end, shift)

    def cut(self, rows: pd.DataFrame, known: pd.Series, whole: str | None = None) -> pd.DataFrame:
        """Return the rows that became known within the span.

        Args:
            rows: All rows.
            known: The instant at which each became known.
            whole: Pandas time unit to floor both ends to, such as `h` for hours.
        """
        start, end = (self.start, self.end)
        if whole is not None:
            start, end = start.floor(whole), end.floor(whole)
        return rows[(known >= start) & (known < end)]

    def write(self, rows: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
        """Return some columns with their instants moved, including `flight_id`.

        It contains scheduled hour (UTC), carrier, number and origin:
        `2013-11-01T10Z-UA-1545-EWR`.
        """
        columns = list(columns)
        instants = rows.select_dtypes("datetimetz").columns.intersection(columns)
        moved = rows.assign(**{str(name): rows[name] + self.shift for name in instants})
        if "flight_id" in columns:
            moved["flight_id"] = write_flight_ids(moved)
        return moved[columns].reset_index(drop=True)


def write_flight_ids(flights: pd.DataFrame) -> pd.Series:
    """Return the key of each flight."""
    hours = flights["time_hour"].dt.tz_localize(None).to_numpy(dtype="datetime64[h]")
    texts = pd.Series(np.datetime_as_string(hours, unit="h"), index=flights.index, dtype=object)
    return (
        texts + "Z-" + flights["carrier"] + "-" + flights["flight"].astype(str) + "-"
        + flights["origin"]
    )  # fmt: skip
