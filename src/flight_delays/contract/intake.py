"""What may be wrong with the rows of each source before ingest writes nothing."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Self

from pydantic import Field

from ..lifecycle import BEGINNING, Limits, Section
from .configuration import load_configuration
from .errors import ConfigurationError


class IntakePolicy(Section):
    """The limits as reviewed in conf/intake.yml.

    Attributes:
        reread_hours: How far before the last ingest rows are read again, for those that came late.
        usual: Those of a source that has none of its own.
        sources: Those of some sources.
    """

    reread_hours: int = Field(ge=0)
    usual: Limits
    sources: dict[str, Limits]

    def of(self, source: str) -> Limits:
        """Returns the limits of a source."""
        return self.sources.get(source, self.usual)

    def read_from(self, watermark: datetime | None) -> datetime:
        """Return the instant from which on rows are read, of a table complete up to another."""
        if watermark is None:
            return BEGINNING
        return watermark - timedelta(hours=self.reread_hours)

    def require_sources(self, names: Collection[str]) -> Self:
        """Returns the policy if each source that it names is one of `names`.

        Raises:
            ConfigurationError: It names another.
        """
        unknown = sorted(set(self.sources) - set(names))
        if unknown:
            raise ConfigurationError(
                "intake.yml",
                f"there is no source {', '.join(unknown)}.",
                f"There are: {', '.join(names)}.",
            )
        return self


def load_intake(sources: Collection[str]) -> IntakePolicy:
    """Reads conf/intake.yml for the sources of these names."""
    return load_configuration("intake", IntakePolicy).require_sources(sources)
