"""conf/data_quality.yml: limits of invalid and stale rows, above which ingest writes nothing."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import Field

from ..errors import InstantWithoutZoneError
from .loading import Count, Section, load_configuration, require_sources
from .policy import BEGINNING


class Limits(Section):
    """Limits of a source; if one is exceeded, ingest writes no rows.

    Attributes:
        max_bad_rows: Number of invalid new rows that are always accepted.
        max_bad_share: Share of the new rows that may be invalid, if they are more than that.
        max_age_hours: Maximum age of the newest row at `as_of`.
    """

    max_bad_rows: int = Field(ge=0)
    max_bad_share: float = Field(ge=0, lt=1)
    max_age_hours: Count


class DataQualityPolicy(Section):
    """conf/data_quality.yml.

    Attributes:
        reread_hours: Hours before the watermark that are read again, for late rows.
        default: Limits of the other sources.
    """

    reread_hours: int = Field(ge=0)
    default: Limits
    sources: dict[str, Limits]

    def of(self, source: str) -> Limits:
        """Return the limits of a source."""
        return self.sources.get(source, self.default)

    def read_from(self, watermark: datetime | None) -> datetime:
        """Return the instant to read rows from, given the table's watermark."""
        if watermark is None:
            return BEGINNING
        return watermark - timedelta(hours=self.reread_hours)


@dataclass(frozen=True, kw_only=True)
class SourceStats:
    """Statistics of the rows read from a source.

    Attributes:
        repeated: Duplicates among the rows read.
        valid: Valid rows that are new to the table.
        invalid: Invalid rows that are new to the quarantine.
        dated: Whether its rows have a time.
        newest: The latest instant of a valid row; None if there is none.
    """

    source: str
    repeated: int
    valid: int
    invalid: int
    dated: bool
    newest: datetime | None


def find_violations(stats: SourceStats, limits: Limits, as_of: datetime) -> Iterator[str]:
    """Yield a sentence for each violated limit.

    Raises:
        InstantWithoutZoneError: `as_of` has no time zone.
    """
    if as_of.tzinfo is None:
        raise InstantWithoutZoneError("as_of", as_of)
    new = stats.valid + stats.invalid
    if stats.invalid > max(limits.max_bad_rows, limits.max_bad_share * new):
        yield (
            f"{stats.source}: {stats.invalid:,} of {new:,} new rows are invalid "
            f"({stats.invalid / new:.2%}); limit: {limits.max_bad_rows} rows or "
            f"{limits.max_bad_share:.2%}."
        )
    if not stats.dated:
        return
    if stats.newest is None:
        yield f"{stats.source}: there is no valid row before {as_of.isoformat()}."
    elif as_of - stats.newest > timedelta(hours=limits.max_age_hours):
        yield (
            f"{stats.source}: the newest row is of {stats.newest.isoformat()}, "
            f"{(as_of - stats.newest) / timedelta(hours=1):,.0f} hours before "
            f"{as_of.isoformat()}; limit: {limits.max_age_hours} hours."
        )


def load_data_quality(sources: Collection[str]) -> DataQualityPolicy:
    """Return conf/data_quality.yml, checked against the names of the sources."""
    found = load_configuration("data_quality", DataQualityPolicy)
    require_sources("data_quality", found.sources, sources)
    return found
