"""conf/data_quality.yml: what may be wrong with a source's rows before ingest writes none."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import Field

from ..errors import InstantWithoutZoneError
from .loading import Count, Section, load_configuration, require_sources
from .policy import BEGINNING


class Limits(Section):
    """What may be wrong with the rows of a source before none is written.

    Attributes:
        max_bad_rows: Invalid rows among the new ones that are always accepted.
        max_bad_share: Beyond those, the share of the new rows that may be invalid.
        max_age_hours: By how much the newest row may be older than `as_of`.
    """

    max_bad_rows: int = Field(ge=0)
    max_bad_share: float = Field(ge=0, lt=1)
    max_age_hours: Count


class DataQualityPolicy(Section):
    """The limits as reviewed in conf/data_quality.yml.

    Attributes:
        reread_hours: How far before the last ingest rows are read again, for those that came late.
        default: Limits of a source that has none of its own.
        sources: Those of some sources.
    """

    reread_hours: int = Field(ge=0)
    default: Limits
    sources: dict[str, Limits]

    def of(self, source: str) -> Limits:
        """Return the limits of a source."""
        return self.sources.get(source, self.default)

    def read_from(self, watermark: datetime | None) -> datetime:
        """Return the instant from which on rows are read, of a table complete up to another."""
        if watermark is None:
            return BEGINNING
        return watermark - timedelta(hours=self.reread_hours)


@dataclass(frozen=True, kw_only=True)
class SourceStats:
    """Figures of the rows that a source gave.

    Attributes:
        source: Its name.
        read: Rows read.
        repeated: Those among them that equal another; one of each is kept.
        valid: Valid rows that the table does not have.
        invalid: Invalid rows that quarantine does not have.
        dated: Whether its rows have a time.
        newest: The latest instant of a valid row; None where there is none.
    """

    source: str
    read: int
    repeated: int
    valid: int
    invalid: int
    dated: bool
    newest: datetime | None


def find_violations(stats: SourceStats, limits: Limits, as_of: datetime) -> Iterator[str]:
    """Yield each limit that a source's rows violate, as a sentence.

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
    """Return conf/data_quality.yml for the sources of these names."""
    found = load_configuration("data_quality", DataQualityPolicy)
    require_sources("data_quality", found.sources, sources)
    return found
