"""conf/streaming.yml: what arrives by streams, and where it comes from."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from .loading import Count, Section, load_configuration, require_sources


class Channel(Section):
    """Where rows come from or go to: a table or a topic.

    Attributes:
        table: Name of a table, in the target's own schema where it has no dots.
        topic: Name of a topic in Kafka.
    """

    table: str | None = Field(default=None, pattern=r"^\w+(\.\w+\.\w+)?$")
    topic: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]+$")

    @model_validator(mode="after")
    def require_one(self) -> Self:
        """Refuse none, and both."""
        if (self.table is None) == (self.topic is None):
            raise ValueError("give either table or topic")
        return self


class Topic(Section):
    """A topic that is written to.

    Attributes:
        topic: Its name.
    """

    topic: str = Field(pattern=r"^[A-Za-z0-9._-]+$")


class Streaming(Section):
    """The streams as reviewed in conf/streaming.yml.

    Attributes:
        requests: Where the rows to be scored arrive.
        replies: Where predictions go besides their table.
        sources: Where some of the problem's sources arrive, by name.
        files_at_once: Files of a table in a micro-batch.
        rows_at_once: Messages of a topic in a micro-batch.
        settle_seconds: For how long rows that became known may still arrive out of order.
        minutes: How long a run looks for more; then it takes in the rest, before the jobs' time
            limit of two hours ends it as failed.
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
        """For how long rows that became known may still arrive."""
        return timedelta(seconds=self.settle_seconds)


def load_streaming(sources: Collection[str]) -> Streaming:
    """Return conf/streaming.yml.

    Args:
        sources: Names of the problem's sources.

    Raises:
        ConfigurationError: It names another source, or says what is not allowed.
    """
    found = load_configuration("streaming", Streaming)
    require_sources("streaming", found.sources, sources)
    return found
