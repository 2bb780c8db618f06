"""Delta table as a source: first its current files, then the files added by each commit."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import islice, takewhile
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from databricks.sdk import WorkspaceClient
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from ..engine.tokens import Cursor, quote
from .errors import StreamRefused

MAX_FILES = 1000
_KNOWN = {"skipchangecommits", "ignoredeletes", "maxfilespertrigger", "startingversion"}


@dataclass(frozen=True)
class Position:
    """The next file to read.

    Attributes:
        table: Identifier of the table.
        version: Version whose files are read.
        file: Number of the file within it.
        snapshot: Whether the files are the full snapshot, not only those added by the version.
    """

    table: str
    version: int
    file: int
    snapshot: bool

    def is_before(self, other: "Position") -> bool:
        """Return whether this file precedes another."""
        return (self.version, self.file) < (other.version, other.file)

    def to_json(self) -> dict[str, Any]:
        """Return the offset in Delta's checkpoint format."""
        return {
            "sourceVersion": 1,
            "reservoirId": self.table,
            "reservoirVersion": self.version,
            "index": self.file,
            "isStartingVersion": self.snapshot,
        }

    @classmethod
    def from_json(cls, offset: Mapping[str, Any]) -> "Position":
        """Parse an offset in Delta's checkpoint format."""
        return cls(
            offset["reservoirId"],
            offset["reservoirVersion"],
            offset["index"],
            offset["isStartingVersion"],
        )


class DeltaSource:
    """A table of the catalog; its latest version is fixed when the query starts.

    Args:
        spark: Session of the query.
        name: Full name of the table.
        options: Options of the source.
        workspace: Client for the catalog.

    Raises:
        StreamRefused: The options or the table are not supported.
    """

    def __init__(
        self,
        spark: SparkSession,
        name: str,
        options: Mapping[str, str],
        workspace: WorkspaceClient,
    ) -> None:
        self._spark = spark
        self._options = {key.lower(): value for key, value in options.items()}
        unknown = sorted(set(self._options) - _KNOWN)
        if unknown:
            raise StreamRefused(
                f"A stream from a table takes no {', '.join(unknown)} here; its options are "
                "maxFilesPerTrigger, startingVersion, skipChangeCommits and ignoreDeletes."
            )
        levels = Cursor(name).name()
        if len(levels) != 3:
            raise StreamRefused(f"Stream from a table by its full name; got '{name}'.")
        self._name = ".".join(levels).lower()
        table = workspace.tables.get(self._name)
        self._id = str(table.table_id)
        self._folder = Path(unquote(urlparse(str(table.storage_location)).path))
        self._latest = int((table.properties or {})["delta.lastUpdateVersion"])

    def position(self, offset: Mapping[str, Any]) -> Position:
        """Parse an offset from the checkpoint."""
        return Position.from_json(offset)

    def start(self) -> Position:
        """Return the start offset of a query without a checkpoint."""
        asked = self._options.get("startingversion")
        if asked is None:
            return Position(self._id, self._latest, 0, snapshot=True)
        version = self._latest + 1 if asked == "latest" else int(asked)
        return Position(self._id, version, 0, snapshot=False)

    def next(self, position: Position, *, all_at_once: bool) -> Position | None:
        """Return the end offset of the next micro-batch; None if there are no new files.

        Raises:
            StreamRefused: The table was replaced, or rows were changed or deleted.
        """
        if position.table != self._id:
            raise StreamRefused(
                f"Table {self._name} is not the one that this checkpoint was made with: it was "
                "dropped and created again. Start with a new checkpoint."
            )
        most = int(self._options.get("maxfilespertrigger", MAX_FILES))
        files = self._files(position)
        taken = [here for here, _ in (files if all_at_once else islice(files, most))]
        return replace(taken[-1], file=taken[-1].file + 1) if taken else None

    def read(self, start: Position, end: Position) -> tuple[DataFrame, int]:
        """Return the rows of a micro-batch and their number."""
        before = takewhile(lambda each: each[0].is_before(end), self._files(start))
        files = [file for _, file in before]
        rows = sum(json.loads(file.get("stats") or "{}").get("numRecords", 0) for file in files)
        return self._frame(files), rows

    def _files(self, position: Position) -> Iterator[tuple[Position, dict[str, Any]]]:
        """Yield the files from a position on, each with its own position."""
        if position.snapshot:
            files = self._snapshot(position.version)
            yield from _number(files, position)
            position = Position(self._id, position.version + 1, 0, snapshot=False)
        for version in range(position.version, self._latest + 1):
            first = position.file if version == position.version else 0
            here = Position(self._id, version, first, snapshot=False)
            yield from _number(self._added(version), here)

    def _snapshot(self, version: int) -> list[dict[str, Any]]:
        files: dict[str, dict[str, Any]] = {}
        for each in range(version + 1):
            for action in self._commit(each):
                if "add" in action:
                    files[action["add"]["path"]] = action["add"]
                elif "remove" in action:
                    files.pop(action["remove"]["path"], None)
        return list(files.values())

    def _added(self, version: int) -> list[dict[str, Any]]:
        actions = self._commit(version)
        added = [a["add"] for a in actions if "add" in a and a["add"]["dataChange"]]
        removed = any("remove" in a and a["remove"].get("dataChange", True) for a in actions)
        if not removed:
            return added
        if self._options.get("skipchangecommits") == "true":
            return []
        if not added and self._options.get("ignoredeletes") == "true":
            return []
        kind, code, option = (
            ("a data update", "DELTA_SOURCE_TABLE_IGNORE_CHANGES", "skipChangeCommits")
            if added
            else ("deleted data", "DELTA_SOURCE_IGNORE_DELETE", "ignoreDeletes")
        )
        raise StreamRefused(
            f"[{code}] Detected {kind} in the source table {self._name} at version {version}. This "
            f"is currently not supported. To leave such commits out, set the option '{option}' to "
            "'true'; to have them, start with a new checkpoint."
        )

    def _commit(self, version: int) -> list[dict[str, Any]]:
        log = self._folder / "_delta_log"
        # The folder may also contain a staged commit that lost against another writer's.
        file, staged = log / f"{version:020}.json", [*log.glob(f"_staged_commits/{version:020}.*")]
        if not file.exists() and len(staged) == 1:
            (file,) = staged
        if not file.exists():
            raise StreamRefused(
                f"Version {version} of table {self._name} is not in its log. Run the query again."
            )
        return [json.loads(line) for line in file.read_text().splitlines() if line.strip()]

    def _frame(self, files: Sequence[dict[str, Any]]) -> DataFrame:
        table = self._spark.table(quote(*self._name.split(".")))
        if any("deletionVector" in file for file in files):
            raise StreamRefused(
                f"Table {self._name} has deletion vectors, which a stream does not read here."
            )
        parts: dict[str, list[str]] = {}
        for file in files:
            key = json.dumps(file.get("partitionValues") or {}, sort_keys=True)
            parts.setdefault(key, []).append(str(self._folder / unquote(file["path"])))
        frames = []
        for key, paths in parts.items():
            values = json.loads(key)
            rows = self._spark.read.schema(table.drop(*values).schema).parquet(*paths)
            columns = [
                F.lit(values[name]).cast(kind).alias(name) if name in values else F.col(name)
                for name, kind in table.dtypes
            ]
            frames.append(rows.select(*columns))
        return reduce(lambda one, other: one.unionAll(other), frames, table.limit(0))


def _number(
    files: Sequence[dict[str, Any]], first: Position
) -> Iterator[tuple[Position, dict[str, Any]]]:
    for at, file in enumerate(files):
        if at >= first.file:
            yield replace(first, file=at), file
