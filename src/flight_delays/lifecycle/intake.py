"""Whether the rows that a source brings are sound enough to be written."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import Field

from .errors import InstantWithoutZoneError
from .policy import Count, Section


class Limits(Section):
    """What may be wrong with the rows of a source before none is written.

    Attributes:
        max_bad_rows: So many bad rows among the new ones never stop it.
        max_bad_share: Beyond those, the share of the new rows that may be bad.
        max_age_hours: By how much the newest row may be older than `as_of`.
    """

    max_bad_rows: int = Field(ge=0)
    max_bad_share: float = Field(ge=0, lt=1)
    max_age_hours: Count


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What was found of a source's rows.

    Attributes:
        source: Its name.
        read: Rows read.
        repeated: Those among them that equal another; one of each is kept.
        good: Sound rows that the table does not have.
        bad: Unsound rows that quarantine does not have.
        dated: Whether its rows have a time.
        newest: The latest instant of a sound row; None where there is none.
    """

    source: str
    read: int
    repeated: int
    good: int
    bad: int
    dated: bool
    newest: datetime | None


def find_objections(intake: Intake, limits: Limits, as_of: datetime) -> Iterator[str]:
    """Yields what speaks against writing a source's rows, each as a sentence.

    Raises:
        InstantWithoutZoneError: `as_of` has no time zone.
    """
    if as_of.tzinfo is None:
        raise InstantWithoutZoneError("as_of", as_of)
    new = intake.good + intake.bad
    if intake.bad > max(limits.max_bad_rows, limits.max_bad_share * new):
        yield (
            f"{intake.source}: {intake.bad:,} of {new:,} new rows are bad ({intake.bad / new:.2%});"
            f" at most {limits.max_bad_rows} rows or {limits.max_bad_share:.2%} may be."
        )
    if not intake.dated:
        return
    if intake.newest is None:
        yield f"{intake.source}: there is no sound row before {as_of.isoformat()}."
    elif as_of - intake.newest > timedelta(hours=limits.max_age_hours):
        yield (
            f"{intake.source}: the newest row is of {intake.newest.isoformat()}, "
            f"{(as_of - intake.newest) / timedelta(hours=1):,.0f} hours before "
            f"{as_of.isoformat()}; at most {limits.max_age_hours} may lie between."
        )
