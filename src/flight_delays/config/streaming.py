"""conf/streaming.yml: inputs and outputs of the streams."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from .loading import Count, Section, load_configuration, require_sources


class Channel(Section):
    """A table or a Kafka topic.

    Attributes:
        table: Name of a table, in the target's schema if it has no dots.
        topic: Name of a Kafka topic.
    """

    table: str | None = Field(default=None, pattern=r"^\w+(\.\w+\.\w+)?$")
    topic: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]+$")

    @model_validator(mode="after")
    def require_one(self) -> Self:
        """Require exactly one of the two."""
        if (self.table is None) == (self.topic is None):
            raise ValueError("give either table or topic")
        return self


class Topic(Section):
    """A Kafka topic to write to.

    Attributes:
        topic: Its name.
    """

    topic: str = Field(pattern=r"^[A-Za-z0-9._-]+$")


class Streaming(Section):
    """conf/streaming.yml.

    Attributes:
        requests: Input of the rows to score.
        replies: Additional output of predictions.
        sources: Inputs of the problem's sources that arrive by stream, by name.
        files_at_once: Maximum files of a table per micro-batch.
        rows_at_once: Maximum messages of a topic per micro-batch.
        settle_seconds: Maximum delay of rows that arrive out of order.
        minutes: How long a run polls for new rows. It then processes the rest, before the jobs'
            timeout of two hours.
    """

    requests: Channel
    replies: Topic | None = None
    sources: Mapping[str, Channel] = {}
    files_at_once: Count
    rows_at_once: Count
    settle_seconds: int = Field(ge=0)
    minutes: int = Field(ge=0, le=100)

    @property
    def settling(self) -> timedelta:
        """Maximum delay of rows that arrive out of order."""
        return timedelta(seconds=self.settle_seconds)


def load_streaming(sources: Collection[str]) -> Streaming:
    """Return conf/streaming.yml.

    Args:
        sources: Names of the problem's sources.

    Raises:
        ConfigurationError: It names an unknown source, or is invalid.
    """
    found = load_configuration("streaming", Streaming)
    require_sources("streaming", found.sources, sources)
    return found
