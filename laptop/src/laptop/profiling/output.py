"""Rows of the metric tables, on their way there."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from .schemas import to_table

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

_FLUSH_ROWS = 2_000


class Writer:
    """Rows of one metric table, kept in a file until the refresh has all of them.

    Args:
        path: The file.
        schema: Columns of the table.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.count = 0
        self._schema = schema
        self._rows: list[Mapping[str, Any]] = []
        self._file = pq.ParquetWriter(path, schema, compression="zstd")

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a row."""
        self._rows.append(row)
        self.count += 1
        if len(self._rows) >= _FLUSH_ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is left."""
        if self._rows:
            self._flush()
        self._file.close()

    def save(self, session: "SparkSession", table: str, *, added: bool = False) -> None:
        """Write the rows to a table; create it if need be.

        Args:
            session: Session on the engine.
            table: Metric table.
            added: Whether rows that the table has stay.
        """
        mode, option = ("append", "mergeSchema") if added else ("overwrite", "overwriteSchema")
        frame = session.read.parquet(str(self.path))
        frame.write.mode(mode).option(option, "true").saveAsTable(table)

    def _flush(self) -> None:
        self._file.write_table(to_table(self._rows, self._schema))
        self._rows = []
