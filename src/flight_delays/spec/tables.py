"""Declarations of source tables and feature tables."""

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
# The serving client compares keys as Python values, which is unreliable for other types.
KEY_TYPES = ("STRING", "BIGINT", "LONG", "INT", "INTEGER", "SMALLINT", "SHORT", "BOOLEAN")

Qualify: TypeAlias = Callable[[str], str]
Read: TypeAlias = Callable[["SparkSession", datetime, datetime, int], "DataFrame"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A source table, to which ingest appends rows as they become known.

    Attributes:
        name: Its name within the schema.
        primary_keys: Its primary keys; never null.
        columns: The Spark SQL type of each column, in order.
        description: Description of one row.
        read: Returns from a session the rows, with `columns`, that became known in
            `[since, as_of)` (UTC); a row must never change once it is known. Rows from before
            `since` are allowed. The last argument is the number of days by which the dates of
            sample data are moved; ignored for real tables. None if rows arrive by a stream.
        rules: Rules by column.
        dated_by: Its time column for the check of freshness; None if rows have no time.
        fill: Replacement of missing values by text column, for look-up keys: a value that is not
            a key of any feature table.
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
        """Validate and deduplicate rows of `read`.

        Returns:
            The declared columns in their types, null if a cast fails, and four more: `_reason`
            lists the violations and is empty for a valid row; `_times` is the number of
            duplicates; `_key` and `_content` are the key and the original row as JSON.

        Raises:
            ColumnMissingError: A declared column is missing.
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
        """Validate each row separately; rows have all declared columns, in any types, and others.

        Returns:
            The declared columns with `_reason`, `_key` and `_content` as in `check`, and the other
            columns unchanged.
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
    """A feature table.

    Attributes:
        name: Its name within the schema.
        primary_keys: Its primary keys, the time key last.
        timeseries_column: The time key, the instant at which a row became known; None if rows have
            no time.
        fresh_within: Maximum age of features at look-up, from the instant as of which they were
            computed. A table without time key is published as often as this requires.
        lookback: Maximum age of a row at that instant (`lookback_window`); None for no limit.
        categorical: Categorical features, strings.
        numerical: Numerical features, doubles.
        retired: Spark SQL type of each former feature that is still computed for served versions
            trained with it; new versions do not use it.
        description: Description of one row.
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
        """Its current features."""
        return self.categorical + self.numerical

    @property
    def computed(self) -> Mapping[str, str]:
        """The Spark SQL type of each feature, including retired ones."""
        texts, numbers = (
            dict.fromkeys(self.categorical, "STRING"),
            dict.fromkeys(self.numerical, "DOUBLE"),
        )
        return {**texts, **numbers, **self.retired}

    @property
    def definition(self) -> str:
        """The digest of its definition; if it changes, all rows are recomputed."""
        said = (self.sql, self.primary_keys, self.lookback, sorted(self.computed.items()))
        return hashlib.sha256(repr(said).encode()).hexdigest()

    @property
    def lookup_key(self) -> tuple[str, ...]:
        """The primary keys without the time key."""
        return tuple(key for key in self.primary_keys if key != self.timeseries_column)

    @property
    def sources(self) -> tuple[str, ...]:
        """The source tables of its query."""
        named = [name for _, name, _, _ in Formatter().parse(self.sql) if name is not None]
        return tuple(dict.fromkeys(named))

    def compute(
        self, spark: "SparkSession", qualify: Qualify, since: datetime, as_of: datetime
    ) -> "DataFrame":
        """Compute the rows that became known from `since` to `as_of`, both inclusive.

        The session's time zone is UTC. The sources may have later data; rows without a time are not
        limited by `since`.

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
        """Return a row of nulls for each key whose latest row has exceeded the look-back.

        An online store has no look-back window: it returns the latest row of a key at any age. The
        row of nulls, dated a second after the end of the look-back, makes it consistent with
        offline look-ups.

        The session's time zone is UTC; the table `stored` has all rows known before `as_of`. Rows
        of nulls are dated from `since` on, and before `as_of`: features may still arrive.

        Returns:
            The primary keys and the features; no rows if no row has expired.

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
    """Return two instants as the parameters of a query.

    Raises:
        InstantWithoutZoneError: One has no time zone.
    """
    for name, instant in (("since", since), ("as_of", as_of)):
        if instant.tzinfo is None:
            raise InstantWithoutZoneError(name, instant)
    return {"since": since.astimezone(UTC).isoformat(), "as_of": as_of.astimezone(UTC).isoformat()}
