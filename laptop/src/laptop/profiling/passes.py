"""One granularity of a refresh.

Columns and windows are read in batches. Memory is bounded by one column of two neighbouring
windows and of the baseline, independent of the table's length.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from . import custom
from .configuration import TABLE
from .drift import compare
from .groups import Coded, Group, summarize_categories, summarize_numbers, summarize_presence
from .output import Writer
from .rating import assess
from .source import BOOLEAN, INSTANT, OTHER, TEXT, Batch, Source, encode, kind_of, read_as
from .statistics import Summary
from .wholes import Summaries, Wholes, note
from .windows import Windows, instant, micros_of

if TYPE_CHECKING:
    import pyarrow as pa

    from .profiler import Refresh

# Cells per batch: 128 MB of numbers.
MOST_CELLS = 16_000_000
_MICROS = 1_000_000
_INPUT, _BASELINE, _CONSECUTIVE = "INPUT", "BASELINE", "CONSECUTIVE"


class Pass:
    """One granularity of a refresh."""

    def __init__(
        self,
        refresh: "Refresh",
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
        # Category codes of the columns in the current batch.
        self._numbers: dict[str, dict[str, int]] = {}
        self._names: dict[str, list[str]] = {}

    def run(self, profile: Writer, drift: Writer) -> None:
        """Write the rows of all columns, then the `:table` rows."""
        # Validates the slices with a clear error before they are part of other queries.
        slices = self._rows.slice_values
        wholes: dict[int, Wholes] = {start: {} for start in self._rows.sizes}
        of_baseline: Wholes = {}
        metrics = custom.evaluate(self._rows, self._configuration)
        baseline_metrics: custom.Values = {}
        if self._baseline is not None:
            self._baseline.slice_values = slices
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
        self._check()
        if self._configuration.label:
            assess(self._rows, self._types, wholes, MOST_CELLS // 2)
            if self._baseline is not None:
                assess(self._baseline, self._types, {self._now: of_baseline}, MOST_CELLS)
        self._write_wholes(profile, drift, wholes, of_baseline, metrics, baseline_metrics)

    def _write_wholes(
        self,
        profile: Writer,
        drift: Writer,
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
        """Yield the summaries by column and window, with windows in chronological order."""
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

    def _number(self, column: str, values: "pa.ChunkedArray") -> Coded:
        """Encode a column's categories with the same codes in all windows."""
        coded = encode(values)
        numbers, names = self._numbers[column], self._names[column]
        for name in coded.names:
            if name not in numbers:
                numbers[name] = len(names)
                names.append(name)
        # The last element maps -1 to -1.
        lookup = np.array([*(numbers[name] for name in coded.names), -1])
        return Coded(lookup[coded.codes], names)

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
