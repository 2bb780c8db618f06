"""Buffered rows of the metric tables."""

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
    """Rows of one metric table, buffered in a file until the refresh is complete.

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
        """Add a row."""
        self._rows.append(row)
        self.count += 1
        if len(self._rows) >= _FLUSH_ROWS:
            self._flush()

    def close(self) -> None:
        """Write the remaining rows and close the file."""
        if self._rows:
            self._flush()
        self._file.close()

    def save(self, session: "SparkSession", table: str, *, added: bool = False) -> None:
        """Write the rows to a table; create it if it does not exist.

        Args:
            session: Session on the engine.
            table: Metric table.
            added: Whether to append to the existing rows.
        """
        mode, option = ("append", "mergeSchema") if added else ("overwrite", "overwriteSchema")
        frame = session.read.parquet(str(self.path))
        frame.write.mode(mode).option(option, "true").saveAsTable(table)

    def _flush(self) -> None:
        self._file.write_table(to_table(self._rows, self._schema))
        self._rows = []
