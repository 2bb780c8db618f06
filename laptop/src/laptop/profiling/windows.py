"""Time windows: their bounds, and SQL to assign rows to them.

Weeks begin on Monday, UTC, and multi-week windows are counted from 5 January 1970; Databricks does
not document where its windows begin.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MINUTE, HOUR, DAY = 60, 3600, 86_400
_MICROS = 1_000_000
# Granularity in the API -> text in the metric tables.
GRANULARITIES = {
    f"AGGREGATION_GRANULARITY_{text.replace(' ', '_').upper()}": text
    for text in (
        "5 minutes",
        "30 minutes",
        "1 hour",
        "1 day",
        "1 week",
        "2 weeks",
        "3 weeks",
        "4 weeks",
        "1 month",
        "1 year",
    )
}
_LENGTHS = {"minutes": MINUTE, "hour": HOUR, "day": DAY, "week": 7 * DAY, "weeks": 7 * DAY}
# The first Monday after the epoch.
_MONDAY = 4 * DAY


@dataclass(frozen=True)
class Windows:
    """The windows of one granularity.

    Attributes:
        text: The granularity, such as `1 day`.
    """

    text: str

    def sql(self, timestamp: str) -> str:
        """Return an expression for the start of a row's window, in epoch microseconds.

        Args:
            timestamp: SQL expression of type TIMESTAMP.
        """
        number, unit = self.text.split()
        if unit in ("month", "year"):
            return f"unix_micros(date_trunc('{unit.upper()}', {timestamp}))"
        length = int(number) * _LENGTHS[unit] * _MICROS
        offset = _MONDAY * _MICROS if unit.startswith("week") else 0
        micros = f"unix_micros({timestamp})"
        return f"({micros} - pmod({micros} - {offset}, {length}))"

    def end(self, start: int) -> int:
        """Return the end of the window that begins at `start`, both in epoch microseconds."""
        number, unit = self.text.split()
        if unit not in ("month", "year"):
            return start + int(number) * _LENGTHS[unit] * _MICROS
        at = instant(start)
        year, month = (at.year + 1, at.month) if unit == "year" else (at.year, at.month + 1)
        after = at.replace(year=year + (month > 12), month=(month - 1) % 12 + 1)
        return micros_of(after)


def instant(micros: int) -> datetime:
    """Convert epoch microseconds to a datetime in UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


def micros_of(time: datetime) -> int:
    """Convert a datetime to epoch microseconds."""
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
