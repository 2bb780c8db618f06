"""Rows of a table, read from the engine as far as one step of a profile needs them."""

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
    """Return which statistics a Spark type has."""
    plain = data_type.partition("(")[0]
    if plain in NUMBERS or plain == "decimal":
        return NUMBER
    if plain in INSTANTS:
        return INSTANT
    if plain in ("string", "varchar", "char"):
        return TEXT
    return BOOLEAN if plain == "boolean" else OTHER


def quote(name: str) -> str:
    """Return a column as SQL names it."""
    return "`" + name.replace("`", "``") + "`"


def quote_table(full_name: str) -> str:
    """Return a table as SQL names it."""
    return ".".join(quote(level) for level in full_name.split("."))


def read_as(name: str, kind: str) -> str:
    """Return the expression by which a column is read."""
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
        window: SQL of the start of a row's window; a number where all rows are of one.
        configuration: What is profiled.
        first: Windows that begin earlier are left out, in epoch microseconds.
    """

    session: "SparkSession"
    relation: str
    window: str
    configuration: Configuration
    first: int | None = None

    @property
    def rows(self) -> str:
        """The query of the rows, with `w` beside their columns."""
        inner = f"SELECT *, {self.window} AS __w FROM {self.relation}"
        limit = "__w IS NOT NULL" if self.first is None else f"__w >= {self.first}"
        return f"(SELECT * FROM ({inner}) WHERE {limit})"

    @cached_property
    def sizes(self) -> dict[int, int]:
        """Rows of each window, by its start."""
        found = self.session.sql(
            f"SELECT __w, count(*) AS n FROM {self.rows} GROUP BY __w ORDER BY __w"
        ).toArrow()
        return dict(zip(found["__w"].to_pylist(), found["n"].to_pylist(), strict=True))

    @cached_property
    def slice_values(self) -> dict[str, list[str]]:
        """The most frequent values of each slice, as text; those of another source if set.

        Raises:
            ProfilingError: The engine refuses an expression.
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
        """Return the expressions of a row's window, model and slices."""
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
            last: Start of the last one.
            columns: Name and expression.
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
        """Yield first and last window of each batch, and its rows; a long window is one alone."""
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
        columns: What was read; taken out once it is used.
        partitions: Their groups.
    """

    columns: dict[str, pa.ChunkedArray]
    partitions: list[Partition]


def encode(column: pa.ChunkedArray, names: Sequence[str] | None = None) -> Coded:
    """Return texts as numbers of `names`, or of the texts that occur."""
    if names is not None:
        found = pc.index_in(column, pa.array(names, column.type))
        codes = pc.fill_null(found, NO_GROUP).to_numpy().astype(np.int64)
        return Coded(codes, list(names))
    whole = column.combine_chunks().dictionary_encode()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.combine_chunks()
    codes = pc.fill_null(whole.indices, NO_GROUP).to_numpy(zero_copy_only=False).astype(np.int64)
    return Coded(codes, whole.dictionary.to_pylist())
