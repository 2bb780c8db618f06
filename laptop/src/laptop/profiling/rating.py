"""Quality metrics of a model for each group of rows."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from .configuration import Configuration, ProfilingError
from .groups import NO_GROUP, Group, split
from .quality import classify, regress
from .source import NUMBER, Batch, Source, encode, kind_of, quote, read_as
from .wholes import Wholes

_PREDICTION, _LABEL = "__prediction", "__label"
_WHOLE_NUMBERS = frozenset({"tinyint", "smallint", "int", "bigint"})


def assess(
    rows: Source, types: Mapping[str, str], wholes: Mapping[int, Wholes], most_rows: int
) -> None:
    """Set the quality metrics of each group.

    Args:
        rows: Rows with predictions and labels.
        types: Spark type by column.
        wholes: Groups by window.
        most_rows: Rows per batch.

    Raises:
        ProfilingError: Predictions or labels of a regression are not numbers.
    """
    columns = _expressions(rows.configuration, types)
    problem = rows.configuration.problem
    for first, last, _ in rows.batches(most_rows):
        batch = rows.read(first, last, columns)
        rated = _rate_numbers(batch) if problem == "regression" else _rate_classes(batch)
        for start, group, cells in rated:
            if group in wholes[start]:
                wholes[start][group].quality = cells


def _expressions(settings: Configuration, types: Mapping[str, str]) -> dict[str, str]:
    pair = {_PREDICTION: settings.prediction, _LABEL: settings.label}
    known = {name.lower(): kind for name, kind in types.items()}
    kinds = {name: known[column.lower()] for name, column in pair.items()}
    if settings.problem == "regression":
        for name, kind in kinds.items():
            if kind_of(kind) != NUMBER:
                raise ProfilingError(
                    f"Column {pair[name]} of a regression must be a number; it is {kind}."
                )
        return {name: read_as(column, NUMBER) for name, column in pair.items()}
    if all(kind_of(kind) == NUMBER for kind in kinds.values()):
        # 1.0 and 1 are the same class.
        number = "BIGINT" if set(kinds.values()) <= _WHOLE_NUMBERS else "DOUBLE"
        return {
            name: f"CAST(CAST({quote(column)} AS {number}) AS STRING)"
            for name, column in pair.items()
        }
    return {name: f"CAST({quote(column)} AS STRING)" for name, column in pair.items()}


def _rate_numbers(batch: Batch) -> Iterator[tuple[int, Group, dict[str, Any]]]:
    pair = [batch.columns[name] for name in (_PREDICTION, _LABEL)]
    predictions, labels = (each.fill_null(np.nan).to_numpy() for each in pair)
    known = ~np.isnan(predictions) & ~np.isnan(labels)
    for each in batch.partitions:
        order, ends = split(np.where(known, each.codes, NO_GROUP), len(each.members))
        for members, rows in zip(each.members, np.split(order, ends[:-1]), strict=True):
            cells = regress(predictions[rows], labels[rows])
            for start, group in members:
                yield start, group, cells


def _rate_classes(batch: Batch) -> Iterator[tuple[int, Group, dict[str, Any]]]:
    pair = [batch.columns[name] for name in (_PREDICTION, _LABEL)]
    count = len(pair[0])
    coded = encode(pa.chunked_array([*pair[0].chunks, *pair[1].chunks], pa.string()))
    predictions, labels = coded.codes[:count], coded.codes[count:]
    width = max(len(coded.names), 1)
    for each in batch.partitions:
        known = (predictions >= 0) & (labels >= 0) & (each.codes >= 0)
        pairs = (each.codes * width + predictions) * width + labels
        occurring, counts = np.unique(pairs[known], return_counts=True)
        at = np.searchsorted(occurring, np.arange(len(each.members) + 1) * width**2)
        for code, members in enumerate(each.members):
            part = slice(at[code], at[code + 1])
            predicted, came = np.divmod(occurring[part] - code * width**2, width)
            cells = classify(predicted, came, counts[part], coded.names)
            for start, group in members:
                yield start, group, cells
