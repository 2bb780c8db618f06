"""A refresh: the profile of a table and its drift, written as two Delta tables.

Columns are read a few at a time, and windows too, so that memory is bounded by one column of two
neighbouring windows and of the baseline, however long the table is.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from . import custom, source
from .configuration import TABLE, Configuration, ProfilingError
from .drift import compare, minus
from .groups import Coded, Group, summarize_categories, summarize_numbers, summarize_presence
from .quality import classify, regress
from .schemas import drift_schema, profile_schema, to_table
from .source import BOOLEAN, INSTANT, NUMBER, OTHER, TEXT, Batch, Source, kind_of, quote, read_as
from .statistics import Categories, Summary
from .windows import DAY, Windows, instant, micros_of

if TYPE_CHECKING:
    from datetime import datetime

    from pyspark.sql.connect.session import SparkSession

LOOK_BACK_DAYS = 30
# Cells read at once: 128 MB of numbers.
MOST_CELLS = 16_000_000
_FLUSH_ROWS = 2_000
_MICROS = 1_000_000
_INPUT, _BASELINE, _CONSECUTIVE = "INPUT", "BASELINE", "CONSECUTIVE"
_PREDICTION, _LABEL = "__prediction", "__label"


@dataclass(frozen=True)
class Refresh:
    """What one refresh is of.

    Attributes:
        table: Monitored table.
        output: Catalog and schema of the metric tables.
        configuration: What is computed.
        commit_version: Version of the monitored table.
        monitor_version: Version of the monitor.
        created_at: When the monitor was created; windows more than 30 days older are left out.
        now: The time of the refresh.
    """

    table: str
    output: str
    configuration: Configuration
    commit_version: int
    monitor_version: int
    created_at: "datetime"
    now: "datetime"

    @property
    def profile_table(self) -> str:
        """Name of the profile."""
        return f"{self.output}.{self.table.rpartition('.')[2]}_profile_metrics"

    @property
    def drift_table(self) -> str:
        """Name of the drift table."""
        return f"{self.output}.{self.table.rpartition('.')[2]}_drift_metrics"


class _Writer:
    """Rows on their way to one Parquet file."""

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

    def _flush(self) -> None:
        self._file.write_table(to_table(self._rows, self._schema))
        self._rows = []


@dataclass
class _Whole:
    """What is known of a group of rows as a whole."""

    count: int = 0
    columns: list[str] = field(default_factory=list)
    quality: dict[str, Any] = field(default_factory=dict)

    def cells(self) -> dict[str, Any]:
        """Return the cells of its row of the profile."""
        return {"count": self.count, "non_null_columns": self.columns, **self.quality}

    def compare(self, other: "_Whole") -> dict[str, Any]:
        """Return the cells of its row of the drift table."""
        now, then = set(self.columns), set(other.columns)
        return {
            "count_delta": minus_count(self.count, other.count),
            "non_null_columns_delta": {"added": len(now - then), "missing": len(then - now)},
        }


Wholes = dict[Group, _Whole]
Summaries = dict[Group, Summary]


def minus_count(current: int, other: int) -> int:
    """Return a difference of counts."""
    return current - other


class Profiler:
    """One refresh of one table.

    Args:
        session: Session on the engine.
        refresh: What is refreshed.
        folder: Where files may lie until the tables are written.
        check: Called between steps; raises to end the refresh.
    """

    def __init__(
        self,
        session: "SparkSession",
        refresh: Refresh,
        folder: Path,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._session = session
        self._refresh = refresh
        self._configuration = refresh.configuration
        self._check = check
        self._folder = folder
        self._types: dict[str, str] = dict(session.table(source.quote_table(refresh.table)).dtypes)

    def run(self) -> str:
        """Write the metric tables and return what was done.

        Raises:
            ProfilingError: The configuration does not fit the table, or the engine refuses a
                part of it.
        """
        self._check_columns()
        self._folder.mkdir(parents=True, exist_ok=True)
        profile = _Writer(self._folder / "profile.parquet", profile_schema(self._configuration))
        drift = _Writer(self._folder / "drift.parquet", drift_schema(self._configuration))
        baseline = self._open_baseline()
        for granularity in self._configuration.granularities or ("",):
            rows = self._open(granularity)
            _Pass(self._refresh, self._types, rows, baseline, granularity, self._check).run(
                profile, drift
            )
        profile.close()
        drift.close()
        self._save(profile, self._refresh.profile_table)
        # Databricks has no such table before there is something to compare.
        if drift.count:
            self._save(drift, self._refresh.drift_table)
        return f"{profile.count} rows of the profile and {drift.count} of the drift were written."

    def _save(self, rows: _Writer, table: str) -> None:
        self._check()
        frame = self._session.read.parquet(str(rows.path))
        frame.write.mode("overwrite").option("overwriteSchema", "true").saveAsTable(table)

    def _check_columns(self) -> None:
        settings = self._configuration
        known = {column.lower() for column in self._types}
        for what, column in (
            ("timestamp_column", settings.timestamp),
            ("prediction_column", settings.prediction),
            ("label_column", settings.label),
            ("model_id_column", settings.model_id),
        ):
            if column and column.lower() not in known:
                raise ProfilingError(
                    f"{what} is {column}, which table {self._refresh.table} lacks. It has: "
                    f"{', '.join(self._types)}."
                )
        custom.check_columns(settings.metrics, list(self._types))

    def _open(self, granularity: str) -> Source:
        relation = source.quote_table(self._refresh.table)
        if not granularity:
            at = str(micros_of(self._refresh.now))
            return Source(self._session, relation, at, self._configuration)
        timestamp = f"CAST({quote(self._configuration.timestamp)} AS TIMESTAMP)"
        oldest = micros_of(self._refresh.created_at) - LOOK_BACK_DAYS * DAY * _MICROS
        window = Windows(granularity).sql(timestamp)
        return Source(self._session, relation, window, self._configuration, oldest)

    def _open_baseline(self) -> Source | None:
        name = self._configuration.baseline
        if not name:
            return None
        there = {column.lower() for column in self._session.table(source.quote_table(name)).columns}
        model = self._configuration.model_id
        if model and model.lower() not in there:
            raise ProfilingError(
                f"Baseline table {name} lacks {model}, the model_id_column. Add it."
            )
        lacking = ", ".join(
            f"CAST(NULL AS {kind}) AS {quote(column)}"
            for column, kind in self._types.items()
            if column.lower() not in there
        )
        relation = source.quote_table(name)
        if lacking:
            relation = f"(SELECT *, {lacking} FROM {relation})"
        at = str(micros_of(self._refresh.now))
        return Source(self._session, relation, at, self._configuration)


class _Pass:
    """One granularity of a refresh."""

    def __init__(
        self,
        refresh: Refresh,
        types: Mapping[str, str],
        rows: Source,
        baseline: Source | None,
        granularity: str,
        check: Callable[[], None],
    ) -> None:
        self._refresh = refresh
        self._configuration = refresh.configuration
        self._types = types
        self._rows = rows
        self._baseline = baseline
        self._granularity = granularity
        self._check = check
        self._now = micros_of(refresh.now)
        # Numbers of the categories of the column at hand.
        self._numbers: dict[str, dict[str, int]] = {}
        self._names: dict[str, list[str]] = {}

    def run(self, profile: _Writer, drift: _Writer) -> None:
        """Write the rows of all columns, then those of the table as a whole."""
        wholes: dict[int, Wholes] = {start: {} for start in self._rows.sizes}
        of_baseline: Wholes = {}
        metrics = custom.evaluate(self._rows, self._configuration)
        baseline_metrics: custom.Values = {}
        if self._baseline is not None:
            if self._configuration.slices:
                self._share_slices(self._baseline)
            baseline_metrics = custom.evaluate(self._baseline, self._configuration)
        for columns in self._column_batches():
            self._names = {column: [] for column in columns}
            self._numbers = {column: {} for column in columns}
            compared = self._summarize_baseline(columns, of_baseline)
            for column, groups in compared.items():
                for group, summary in groups.items():
                    cells = summary.profile() | baseline_metrics.get((self._now, group, column), {})
                    profile.add(self._identity(self._now, group, column, _BASELINE) | cells)
            previous: dict[str, tuple[int, Summaries]] = {}
            for column, start, groups in self._summarize(columns, wholes):
                last = previous.get(column)
                for group, summary in groups.items():
                    cells = summary.profile() | metrics.get((start, group, column), {})
                    profile.add(self._identity(start, group, column, _INPUT) | cells)
                    here = self._drift_identity(start, group, column)
                    if group in compared.get(column, {}):
                        other = compared[column][group]
                        drift.add(here | self._against(None) | compare(summary, other))
                    if last and self._adjacent(last[0], start) and group in last[1]:
                        other = last[1][group]
                        drift.add(here | self._against(last[0]) | compare(summary, other))
                previous[column] = (start, groups)
        self._assess(wholes, of_baseline)
        self._write_wholes(profile, drift, wholes, of_baseline, metrics, baseline_metrics)

    def _write_wholes(
        self,
        profile: _Writer,
        drift: _Writer,
        wholes: dict[int, Wholes],
        of_baseline: Wholes,
        metrics: custom.Values,
        baseline_metrics: custom.Values,
    ) -> None:
        for group, whole in of_baseline.items():
            cells = whole.cells() | baseline_metrics.get((self._now, group, TABLE), {})
            profile.add(self._identity(self._now, group, TABLE, _BASELINE) | cells)
        last: int | None = None
        for start, groups in wholes.items():
            for group, whole in groups.items():
                cells = whole.cells() | metrics.get((start, group, TABLE), {})
                profile.add(self._identity(start, group, TABLE, _INPUT) | cells)
                here = self._drift_identity(start, group, TABLE)
                if group in of_baseline:
                    drift.add(here | self._against(None) | whole.compare(of_baseline[group]))
                if last is not None and self._adjacent(last, start) and group in wholes[last]:
                    drift.add(here | self._against(last) | whole.compare(wholes[last][group]))
            last = start

    def _share_slices(self, baseline: Source) -> None:
        """Give the baseline the slices of the table."""
        baseline.__dict__["slice_values"] = self._rows.slice_values

    def _column_batches(self) -> Iterator[list[str]]:
        longest = max(
            (rows for _, _, rows in self._rows.batches(MOST_CELLS)),
            default=0,
        )
        if self._baseline is not None:
            longest = max(longest, sum(self._baseline.sizes.values()))
        at_once = max(1, MOST_CELLS // max(longest, 1))
        columns = list(self._types)
        for at in range(0, len(columns), at_once):
            yield columns[at : at + at_once]

    def _expressions(self, columns: list[str]) -> dict[str, str]:
        return {name: read_as(name, kind_of(self._types[name])) for name in columns}

    def _summarize_baseline(self, columns: list[str], wholes: Wholes) -> dict[str, Summaries]:
        if self._baseline is None or not self._baseline.sizes:
            return {}
        batch = self._baseline.read(self._now, self._now, self._expressions(columns))
        found: dict[str, Summaries] = {}
        for column in columns:
            for _, group, summary in self._summarize_column(batch, column):
                note(wholes, group, column, summary)
                found.setdefault(column, {})[group] = summary
        return found

    def _summarize(
        self, columns: list[str], wholes: dict[int, Wholes]
    ) -> Iterator[tuple[str, int, Summaries]]:
        """Yield the summaries of each column and window, windows in their order."""
        for first, last, _ in self._rows.batches(max(1, MOST_CELLS // len(columns))):
            self._check()
            batch = self._rows.read(first, last, self._expressions(columns))
            for column in columns:
                by_window: dict[int, Summaries] = {}
                for start, group, summary in self._summarize_column(batch, column):
                    note(wholes[start], group, column, summary)
                    by_window.setdefault(start, {})[group] = summary
                for start in sorted(by_window):
                    yield column, start, by_window[start]

    def _summarize_column(self, batch: Batch, column: str) -> Iterator[tuple[int, Group, Summary]]:
        kind = kind_of(self._types[column])
        values = batch.columns.pop(column)
        valid = values.is_valid().to_numpy()
        if kind in (TEXT, BOOLEAN):
            found = summarize_categories(
                self._number(column, values),
                batch.partitions,
                self._names[column],
                texts=kind == TEXT,
            )
        elif kind == OTHER:
            found = summarize_presence(valid, batch.partitions)
        else:
            plain = values.to_numpy() if not values.null_count else values.fill_null(0).to_numpy()
            if kind == INSTANT:
                plain = plain / _MICROS
            found = summarize_numbers(plain, valid, batch.partitions, instants=kind == INSTANT)
        for each, summaries in zip(batch.partitions, found, strict=True):
            for members, summary in zip(each.members, summaries, strict=True):
                if summary.count:
                    for start, group in members:
                        yield start, group, summary

    def _number(self, column: str, values: pa.ChunkedArray) -> Coded:
        """Return the categories of a column under numbers that hold for all its windows."""
        coded = source.encode(values)
        numbers, names = self._numbers[column], self._names[column]
        for name in coded.names:
            if name not in numbers:
                numbers[name] = len(names)
                names.append(name)
        # The last one is that of -1, no value.
        lookup = np.array([*(numbers[name] for name in coded.names), -1])
        return Coded(lookup[coded.codes], names)

    def _assess(self, wholes: dict[int, Wholes], of_baseline: Wholes) -> None:
        """Find the quality of the model in each group."""
        settings = self._configuration
        if not settings.label:
            return
        columns = self._quality_expressions()
        for first, last, _ in self._rows.batches(MOST_CELLS // 2):
            self._check()
            batch = self._rows.read(first, last, columns)
            for start, group, cells in self._rate(batch):
                if group in wholes[start]:
                    wholes[start][group].quality = cells
        if self._baseline is not None and of_baseline:
            for _, group, cells in self._rate(self._baseline.read(self._now, self._now, columns)):
                if group in of_baseline:
                    of_baseline[group].quality = cells

    def _quality_expressions(self) -> dict[str, str]:
        settings = self._configuration
        pair = {_PREDICTION: settings.prediction, _LABEL: settings.label}
        types = {name.lower(): kind for name, kind in self._types.items()}
        kinds = {types[column.lower()] for column in pair.values()}
        if settings.problem == "regression":
            wrong = [c for c in pair.values() if kind_of(types[c.lower()]) != NUMBER]
            if wrong:
                raise ProfilingError(
                    f"Column {wrong[0]} of a regression must be a number; it is "
                    f"{types[wrong[0].lower()]}."
                )
            return {name: read_as(column, NUMBER) for name, column in pair.items()}
        as_number = ""
        if all(kind_of(kind) == NUMBER for kind in kinds):
            # 1.0 and 1 are one class.
            whole = kinds <= {"tinyint", "smallint", "int", "bigint"}
            as_number = "BIGINT" if whole else "DOUBLE"
        return {
            name: f"CAST(CAST({quote(column)} AS {as_number}) AS STRING)"
            if as_number
            else f"CAST({quote(column)} AS STRING)"
            for name, column in pair.items()
        }

    def _rate(self, batch: Batch) -> Iterator[tuple[int, Group, dict[str, Any]]]:
        predictions, labels = batch.columns[_PREDICTION], batch.columns[_LABEL]
        known = predictions.is_valid().to_numpy() & labels.is_valid().to_numpy()
        if self._configuration.problem == "regression":
            both = [each.fill_null(0.0).to_numpy() for each in (predictions, labels)]
            known &= ~np.isnan(both[0]) & ~np.isnan(both[1])
            for each in batch.partitions:
                codes = np.where(known, each.codes, -1)
                for code, members in enumerate(each.members):
                    chosen = codes == code
                    cells = regress(both[0][chosen], both[1][chosen])
                    for start, group in members:
                        yield start, group, cells
            return
        count = len(predictions)
        together = pa.chunked_array([*predictions.chunks, *labels.chunks], pa.string())
        coded = source.encode(together)
        width = max(len(coded.names), 1)
        for each in batch.partitions:
            chosen = known & (each.codes >= 0)
            pairs = (
                each.codes[chosen] * width + coded.codes[:count][chosen]
            ) * width + coded.codes[count:][chosen]
            occurring, counts = np.unique(pairs, return_counts=True)
            at = np.searchsorted(occurring, np.arange(len(each.members) + 1) * width * width)
            for code, members in enumerate(each.members):
                part = slice(at[code], at[code + 1])
                predicted, came = np.divmod(occurring[part] - code * width * width, width)
                cells = classify(predicted, came, counts[part], coded.names)
                for start, group in members:
                    yield start, group, cells

    def _adjacent(self, last: int, start: int) -> bool:
        return bool(self._granularity) and Windows(self._granularity).end(last) == start

    def _window(self, start: int) -> dict[str, Any]:
        end = Windows(self._granularity).end(start) if self._granularity else start
        return {"start": instant(start), "end": instant(end)}

    def _group(self, group: Group, column: str) -> dict[str, Any]:
        cells: dict[str, Any] = {
            "monitor_version": self._refresh.monitor_version,
            "slice_key": group.slice_key,
            "slice_value": group.slice_value,
            "column_name": column,
            "data_type": self._types.get(column),
        }
        if self._configuration.model_id:
            cells[self._configuration.model_id] = group.model
        return cells

    def _identity(self, start: int, group: Group, column: str, log: str) -> dict[str, Any]:
        of_input = log == _INPUT
        window = (
            self._window(start) if of_input else {"start": instant(start), "end": instant(start)}
        )
        return self._group(group, column) | {
            "window": window,
            "log_type": log,
            "logging_table_commit_version": self._refresh.commit_version if of_input else None,
            "granularity": (self._granularity or None) if of_input else None,
        }

    def _drift_identity(self, start: int, group: Group, column: str) -> dict[str, Any]:
        return self._group(group, column) | {
            "window": self._window(start),
            "granularity": self._granularity or None,
        }

    def _against(self, start: int | None) -> dict[str, Any]:
        if start is None:
            return {"drift_type": _BASELINE, "window_cmp": None}
        return {"drift_type": _CONSECUTIVE, "window_cmp": self._window(start)}


def note(wholes: Wholes, group: Group, column: str, summary: Summary) -> None:
    """Add what a column's summary says of the rows as a whole."""
    whole = wholes.setdefault(group, _Whole())
    whole.count = summary.count
    if summary.count > summary.nulls:
        whole.columns.append(column)


__all__ = ["Categories", "Profiler", "Refresh"]
