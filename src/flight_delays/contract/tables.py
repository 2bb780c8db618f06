"""Tables as a problem declares them: sources of facts, and features computed from them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from string import Formatter
from typing import TYPE_CHECKING, TypeAlias

from ..lifecycle import InstantWithoutZoneError
from .errors import ColumnMissingError
from .rules import Rule, write_reasons, write_value

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

QUARANTINE = "quarantine"

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
        rules: What the values of some columns must be.
        dated_by: Its column with an instant by whose newest value it is judged whether the source
            still brings rows; None where rows have no time.
    """

    name: str
    primary_keys: tuple[str, ...]
    columns: Mapping[str, str]
    description: str
    read: Read
    rules: Mapping[str, Rule] = field(default_factory=dict)
    dated_by: str | None = None

    @property
    def schema(self) -> str:
        """The columns as a Spark DDL string."""
        return ", ".join(
            f"{name} {kind}{' NOT NULL' if name in self.primary_keys else ''}"
            for name, kind in self.columns.items()
        )

    def check(self, rows: "DataFrame") -> "DataFrame":
        """Checks each row that was read against what is declared; equal rows become one.

        Args:
            rows: What `read` gave.

        Returns:
            The declared columns in their types, missing where a value has no such type, and four
            more: `_reason` is empty for a sound row, else says what is wrong; `_times` is how
            often the row came; `_key` and `_content` are its key and the row as it came, as JSON.

        Raises:
            ColumnMissingError: A declared column is not there.
        """
        given = dict(rows.dtypes)
        missing = [column for column in self.columns if column not in given]
        if missing:
            raise ColumnMissingError(self.name, missing, list(given))
        values = {name: write_value(name, kind, given[name]) for name, kind in self.columns.items()}
        key = ", ".join(values[name] for name in self.primary_keys)
        same_key = f"count(*) OVER (PARTITION BY {key})"
        reasons = write_reasons(self.columns, given, self.primary_keys, self.rules)
        contradiction = "CASE WHEN _same_key > 1 THEN 'rows of this key contradict each other' END"
        once = rows.groupBy(*self.columns).count().withColumnRenamed("count", "_times")
        return once.selectExpr("*", f"{same_key} AS _same_key").selectExpr(
            *(f"{value} AS {name}" for name, value in values.items()),
            f"concat_ws('; ', nullif({reasons}, ''), {contradiction}) AS _reason",
            "_times",
            f"to_json(struct({', '.join(self.primary_keys)})) AS _key",
            f"to_json(struct({', '.join(self.columns)})) AS _content",
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
