"""Batched reads of a table's rows for the profiler."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .configuration import Configuration, ProfilingError
from .groups import NO_GROUP, Coded, Partition, partition

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

TOP_VALUES = 100
NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double")
INSTANTS = ("timestamp", "timestamp_ntz", "date")
NUMBER, INSTANT, TEXT, BOOLEAN, OTHER = "number", "instant", "text", "boolean", "other"


def kind_of(data_type: str) -> str:
    """Return the category of a Spark type, which determines its statistics."""
    plain = data_type.partition("(")[0]
    if plain in NUMBERS or plain == "decimal":
        return NUMBER
    if plain in INSTANTS:
        return INSTANT
    if plain in ("string", "varchar", "char"):
        return TEXT
    return BOOLEAN if plain == "boolean" else OTHER


def quote(name: str) -> str:
    """Quote a column name for SQL."""
    return "`" + name.replace("`", "``") + "`"


def quote_table(full_name: str) -> str:
    """Quote a table name for SQL."""
    return ".".join(quote(level) for level in full_name.split("."))


def read_as(name: str, kind: str) -> str:
    """Return the SQL expression to read a column."""
    column = quote(name)
    return {
        NUMBER: f"CAST({column} AS DOUBLE)",
        INSTANT: f"unix_micros(CAST({column} AS TIMESTAMP))",
        TEXT: column,
        BOOLEAN: f"CAST({column} AS STRING)",
        OTHER: f"CASE WHEN {column} IS NOT NULL THEN 1.0D END",
    }[kind]


@dataclass
class Source:
    """The rows of a table, with their windows, models and slices.

    Attributes:
        session: Session on the engine.
        relation: Table or query in parentheses.
        window: SQL for the start of a row's window; a constant for a single window.
        configuration: Configuration of the profile.
        first: Start of the first window, in epoch microseconds; earlier ones are skipped.
    """

    session: "SparkSession"
    relation: str
    window: str
    configuration: Configuration
    first: int | None = None

    @property
    def rows(self) -> str:
        """Query of the rows with an additional column `__w`, the start of the window."""
        inner = f"SELECT *, {self.window} AS __w FROM {self.relation}"
        limit = "__w IS NOT NULL" if self.first is None else f"__w >= {self.first}"
        return f"(SELECT * FROM ({inner}) WHERE {limit})"

    @cached_property
    def sizes(self) -> dict[int, int]:
        """Number of rows by window start."""
        found = self.session.sql(
            f"SELECT __w, count(*) AS n FROM {self.rows} GROUP BY __w ORDER BY __w"
        ).toArrow()
        return dict(zip(found["__w"].to_pylist(), found["n"].to_pylist(), strict=True))

    @cached_property
    def slice_values(self) -> dict[str, list[str]]:
        """The most frequent values of each slice, as text; can be set to those of another source.

        Raises:
            ProfilingError: A slicing expression fails.
        """
        return {key: self._find_values(key) for key in self.configuration.slices}

    def _find_values(self, key: str) -> list[str]:
        try:
            found = self.session.sql(
                f"SELECT CAST(({key}) AS STRING) AS v, count(*) AS n FROM {self.rows} "
                f"GROUP BY CAST(({key}) AS STRING) ORDER BY n DESC, v LIMIT {TOP_VALUES + 1}"
            ).toArrow()
        except Exception as error:
            raise ProfilingError(
                f"Slicing expression {key!r} cannot be evaluated: {error}"
            ) from error
        return [value for value in found["v"].to_pylist() if value is not None][:TOP_VALUES]

    def key_columns(self) -> list[str]:
        """Return the SQL expressions of a row's window, model and slices."""
        keys = ["__w"]
        if self.configuration.model_id:
            keys.append(f"CAST({quote(self.configuration.model_id)} AS STRING) AS __m")
        keys += [
            f"CAST(({key}) AS STRING) AS __s{at}"
            for at, key in enumerate(self.configuration.slices)
        ]
        return keys

    def read(self, first: int, last: int, columns: Mapping[str, str]) -> "Batch":
        """Return rows of the windows from `first` to `last`.

        Args:
            first: Start of the first window.
            last: Start of the last window.
            columns: SQL expression by name.
        """
        chosen = ", ".join(
            [*self.key_columns(), *(f"{sql} AS {quote(name)}" for name, sql in columns.items())]
        )
        table = self.session.sql(
            f"SELECT {chosen} FROM {self.rows} WHERE __w BETWEEN {first} AND {last}"
        ).toArrow()
        starts = [start for start in self.sizes if first <= start <= last]
        windows = np.zeros(table.num_rows, np.int64)
        if len(starts) > 1:
            windows = np.searchsorted(np.array(starts), table["__w"].to_numpy())
        models = None
        if self.configuration.model_id:
            models = encode(table["__m"])
        slices = {
            key: encode(table[f"__s{at}"], self.slice_values[key])
            for at, key in enumerate(self.configuration.slices)
        }
        groups = partition(windows, starts, models, slices)
        return Batch({name: table[name] for name in columns}, groups)

    def batches(self, most_rows: int) -> Iterator[tuple[int, int, int]]:
        """Yield first window, last window and rows of each batch; windows are not split."""
        first, last, rows = None, 0, 0
        for start, size in self.sizes.items():
            if first is not None and rows + size > most_rows:
                yield first, last, rows
                first, rows = None, 0
            first = start if first is None else first
            last, rows = start, rows + size
        if first is not None:
            yield first, last, rows


@dataclass
class Batch:
    """Rows of some windows.

    Attributes:
        columns: Values by column, removed after use to free memory.
        partitions: Groups of the rows.
    """

    columns: dict[str, pa.ChunkedArray]
    partitions: list[Partition]


def encode(column: pa.ChunkedArray, names: Sequence[str] | None = None) -> Coded:
    """Encode texts as positions in `names`, by default the distinct texts."""
    if names is not None:
        found = pc.index_in(column, pa.array(names, column.type))
        codes = pc.fill_null(found, NO_GROUP).to_numpy().astype(np.int64)
        return Coded(codes, list(names))
    whole = column.combine_chunks().dictionary_encode()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.combine_chunks()
    codes = pc.fill_null(whole.indices, NO_GROUP).to_numpy(zero_copy_only=False).astype(np.int64)
    return Coded(codes, whole.dictionary.to_pylist())
