"""Tables as a problem declares them: sources of facts, and features computed from them."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from string import Formatter
from typing import TYPE_CHECKING, TypeAlias

from ..errors import ColumnMissingError, InstantWithoutZoneError
from .column_rules import ColumnRule, quote, write_reasons, write_value

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

QUARANTINE = "quarantine"
WATERMARKS = "watermarks"
# The serving client compares keys as Python values: others are never, or only by luck, equal.
KEY_TYPES = ("STRING", "BIGINT", "LONG", "INT", "INTEGER", "SMALLINT", "SHORT", "BOOLEAN")

Qualify: TypeAlias = Callable[[str], str]
Read: TypeAlias = Callable[["SparkSession", datetime, datetime, int], "DataFrame"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A table of facts, which ingest adds the rows to that have become known.

    Attributes:
        name: Its name within the schema.
        primary_keys: The columns that tell its rows apart; never null.
        columns: Its columns in order, each with its Spark SQL type.
        description: What one row says.
        read: Returns from a session the rows that became known from `since` on and before
            `as_of`, both UTC, with `columns`; a row once known is the same ever after. Rows from
            before `since` do no harm. The last argument is the number of days by which the dates
            of sample data are moved; ignored for real tables. None where rows arrive by a stream.
        rules: What the values of some columns must be.
        dated_by: Its column with an instant by whose newest value it is judged whether the source
            still brings rows; None where rows have no time.
        fill: What is written where a text column is missing, for columns that features are
            looked up by: a value that is no key of any feature table.
    """

    name: str
    primary_keys: tuple[str, ...]
    columns: Mapping[str, str]
    description: str
    read: Read | None
    rules: Mapping[str, ColumnRule] = field(default_factory=dict)
    dated_by: str | None = None
    fill: Mapping[str, str] = field(default_factory=dict)

    @property
    def never_null(self) -> tuple[str, ...]:
        """The columns that have a value in every row."""
        required = (name for name, rule in self.rules.items() if rule.required)
        return tuple(dict.fromkeys((*self.primary_keys, *required, *self.fill)))

    @property
    def schema(self) -> str:
        """The columns as a Spark DDL string."""
        return ", ".join(
            f"{name} {kind}{' NOT NULL' if name in (*self.primary_keys, *self.fill) else ''}"
            for name, kind in self.columns.items()
        )

    def check(self, rows: "DataFrame") -> "DataFrame":
        """Check each row that was read against what is declared; equal rows become one.

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
        once = rows.groupBy(*self.columns).count().withColumnRenamed("count", "_times")
        same_key = f"count(*) OVER (PARTITION BY {', '.join(self.primary_keys)}) AS _same_key"
        contradiction = "CASE WHEN _same_key > 1 THEN 'rows of this key contradict each other' END"
        return (
            self.judge(once)
            .selectExpr("*", same_key)
            .selectExpr(
                *self.columns,
                f"concat_ws('; ', nullif(_reason, ''), {contradiction}) AS _reason",
                "_times",
                "_key",
                "_content",
            )
        )

    def judge(self, rows: "DataFrame") -> "DataFrame":
        """Judge each row by itself.

        Args:
            rows: All declared columns, in whatever types, and others.

        Returns:
            The declared columns as `check` has them, with its `_reason`, `_key` and `_content`, and
            the others as they are.
        """
        given = dict(rows.dtypes)
        values = {name: write_value(name, kind, given[name]) for name, kind in self.columns.items()}
        for name, text in self.fill.items():
            values[name] = f"coalesce({values[name]}, {quote(text)})"
        reasons = write_reasons(self.columns, given, self.primary_keys, self.rules)
        return rows.selectExpr(
            *(f"{value} AS {name}" for name, value in values.items()),
            *(name for name in given if name not in values),
            f"{reasons} AS _reason",
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
        fresh_within: How old features may be when a request looks them up: from the instant as of
            which they were computed. A table without time key is published as often as that needs.
        lookback: How long before that instant a row may have become known to be found; None for
            any time.
        categorical: Features that are categories, as strings.
        numerical: Features that are doubles.
        retired: Former features that are still computed, each with its Spark SQL type, for served
            versions that learned from them; new versions do not see them.
        description: What one row says.
        sql: The query, with `{source}` for each source table and the parameters `:since` and
            `:as_of`. It returns at least the rows that became known between the two.
    """

    name: str
    primary_keys: tuple[str, ...]
    timeseries_column: str | None
    fresh_within: timedelta
    lookback: timedelta | None
    categorical: tuple[str, ...]
    numerical: tuple[str, ...]
    description: str
    sql: str
    retired: Mapping[str, str] = field(default_factory=dict)

    @property
    def features(self) -> tuple[str, ...]:
        """The features it brings."""
        return self.categorical + self.numerical

    @property
    def computed(self) -> Mapping[str, str]:
        """All features that its rows have, each with its Spark SQL type."""
        texts, numbers = (
            dict.fromkeys(self.categorical, "STRING"),
            dict.fromkeys(self.numerical, "DOUBLE"),
        )
        return {**texts, **numbers, **self.retired}

    @property
    def definition(self) -> str:
        """A digest of what its rows are computed by: with another, they are computed anew."""
        said = (self.sql, self.primary_keys, self.lookback, sorted(self.computed.items()))
        return hashlib.sha256(repr(said).encode()).hexdigest()

    @property
    def lookup_key(self) -> tuple[str, ...]:
        """The columns by which a row finds its features."""
        return tuple(key for key in self.primary_keys if key != self.timeseries_column)

    @property
    def sources(self) -> tuple[str, ...]:
        """The source tables that its query names."""
        named = [name for _, name, _, _ in Formatter().parse(self.sql) if name is not None]
        return tuple(dict.fromkeys(named))

    def compute(
        self, spark: "SparkSession", qualify: Qualify, since: datetime, as_of: datetime
    ) -> "DataFrame":
        """Compute the rows that became known from `since` on and by `as_of`.

        Args:
            spark: A session whose time zone is UTC.
            qualify: Turns a source's name into the name Spark knows its table by.
            since: Rows known earlier are left out, where rows have a time.
            as_of: Rows known later are left out; the sources may reach further.

        Returns:
            The primary keys and the features, in that order.

        Raises:
            InstantWithoutZoneError: An instant has no time zone.
        """
        query = self.sql.format(**{name: qualify(name) for name in self.sources})
        rows = spark.sql(query, args=write_span(since, as_of))
        rows = rows.select(*self.primary_keys, *self.computed)
        if self.timeseries_column is None:
            return rows
        return rows.where(f"{self.timeseries_column} >= TIMESTAMP '{since.isoformat()}'")

    def expire(
        self, spark: "SparkSession", stored: str, since: datetime, as_of: datetime
    ) -> "DataFrame":
        """Return a row of nulls for each key whose latest row has become too old to be found.

        An online store knows no look-back: it returns the latest row of a key however old. The
        row of nulls, known a second after the look-back has passed, lets it forget what offline
        look-ups no longer find.

        Args:
            spark: A session whose time zone is UTC.
            stored: Full name of this table, which has all rows known before `as_of`.
            since: Rows of nulls known earlier are left out.
            as_of: Rows of nulls known at it or later are left out: a row with features may come.

        Returns:
            The primary keys and the features; no rows where none has become too old.

        Raises:
            InstantWithoutZoneError: An instant has no time zone.
        """
        span = write_span(since, as_of)
        at, keys = self.timeseries_column, ", ".join(self.lookup_key)
        seconds = 1 + round((self.lookback or timedelta(0)).total_seconds())
        nulls = [f"CAST(NULL AS {kind}) AS {name}" for name, kind in self.computed.items()]
        filled = ", ".join(f"CAST({name} AS STRING)" for name in self.computed)
        return spark.sql(
            f"WITH known AS (SELECT {keys}, coalesce({filled}) AS filled, "
            f"timestamp_seconds(unix_timestamp({at}) + {seconds}) AS expires_at, "
            f"LEAD({at}) OVER (PARTITION BY {keys} ORDER BY {at}) AS next_at FROM {stored} "
            f"WHERE {at} >= CAST(:since AS TIMESTAMP) - INTERVAL '{seconds}' SECONDS) "
            f"SELECT {keys}, expires_at AS {at}, {', '.join(nulls)} FROM known "
            "WHERE filled IS NOT NULL AND (next_at IS NULL OR next_at > expires_at) "
            "AND expires_at >= CAST(:since AS TIMESTAMP) "
            "AND expires_at < CAST(:as_of AS TIMESTAMP)",
            args=span,
        ).select(*self.primary_keys, *self.computed)


def write_span(since: datetime, as_of: datetime) -> dict[str, str]:
    """Write two instants as the parameters of a query.

    Raises:
        InstantWithoutZoneError: One has no time zone.
    """
    for name, instant in (("since", since), ("as_of", as_of)):
        if instant.tzinfo is None:
            raise InstantWithoutZoneError(name, instant)
    return {"since": since.astimezone(UTC).isoformat(), "as_of": as_of.astimezone(UTC).isoformat()}
