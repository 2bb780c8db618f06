"""Tables as a problem declares them: sources of facts, and features computed from them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from string import Formatter
from typing import TYPE_CHECKING, TypeAlias

from ..lifecycle import InstantWithoutZoneError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Qualify: TypeAlias = Callable[[str], str]
Read: TypeAlias = Callable[["SparkSession", datetime, int], "DataFrame"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A table of facts, which ingest adds the rows to that have become known.

    Attributes:
        name: Its name within the schema.
        primary_keys: The columns that tell its rows apart; never null.
        columns: Its columns in order, each with its Spark SQL type.
        description: What one row says.
        read: Gives from a session all rows known before `as_of`, an exclusive UTC instant, with
            `columns`; a row once known is the same ever after. The last argument is the number of
            days by which the dates of sample data are to be moved; real tables pay it no heed.
    """

    name: str
    primary_keys: tuple[str, ...]
    columns: Mapping[str, str]
    description: str
    read: Read

    @property
    def schema(self) -> str:
        """The columns as a Spark DDL string."""
        return ", ".join(
            f"{name} {kind}{' NOT NULL' if name in self.primary_keys else ''}"
            for name, kind in self.columns.items()
        )


@dataclass(frozen=True, kw_only=True)
class FeatureTable:
    """A feature table: what it holds, how it is computed and how a row finds its features.

    Attributes:
        name: Its name within the schema.
        primary_keys: The columns that tell its rows apart, the time key last.
        timeseries_column: The instant since when a row is known; None where rows have no time.
        lookback: How old the features that a row finds may be; None for any age.
        texts: Features that are categories, as strings.
        numbers: Features that are doubles.
        description: What one row says.
        sql: The query, with `{source}` for each source table and the parameter `:as_of`.
    """

    name: str
    primary_keys: tuple[str, ...]
    timeseries_column: str | None
    lookback: timedelta | None
    texts: tuple[str, ...]
    numbers: tuple[str, ...]
    description: str
    sql: str

    @property
    def features(self) -> tuple[str, ...]:
        """The features it brings."""
        return self.texts + self.numbers

    @property
    def lookup_key(self) -> tuple[str, ...]:
        """The columns by which a row finds its features."""
        return tuple(key for key in self.primary_keys if key != self.timeseries_column)

    @property
    def sources(self) -> tuple[str, ...]:
        """The source tables that its query names."""
        named = [name for _, name, _, _ in Formatter().parse(self.sql) if name is not None]
        return tuple(dict.fromkeys(named))

    def compute(self, spark: "SparkSession", qualify: Qualify, as_of: datetime) -> "DataFrame":
        """Computes the rows that are known by `as_of`.

        Args:
            spark: A session whose time zone is UTC.
            qualify: Turns a source's name into the name Spark knows its table by.
            as_of: Rows known later are left out; the sources may reach further.

        Returns:
            The primary keys and the features, in that order.

        Raises:
            InstantWithoutZoneError: `as_of` has no time zone.
        """
        if as_of.tzinfo is None:
            raise InstantWithoutZoneError("as_of", as_of)
        query = self.sql.format(**{name: qualify(name) for name in self.sources})
        rows = spark.sql(query, args={"as_of": as_of.astimezone(UTC).isoformat()})
        return rows.select(*self.primary_keys, *self.features)
