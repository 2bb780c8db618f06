"""Custom metrics: aggregates in SQL, evaluated for each group of rows."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .configuration import TABLE, Configuration, CustomMetric, ProfilingError
from .groups import ALL_MODELS, Group
from .source import Source, quote

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")

# Metrics by window, group and column.
Values = dict[tuple[int, Group, str], dict[str, Any]]


def render(metric: CustomMetric, column: str, names: Mapping[str, str]) -> str:
    """Return a metric's SQL for one column.

    Raises:
        ProfilingError: A placeholder has no value.
    """
    known = {**names, **({} if column == TABLE else {"input_column": column})}

    def replace(match: re.Match[str]) -> str:
        if match[1] not in known:
            raise ProfilingError(
                f"UNDEFINED_TEMPLATE_VARIABLE in custom metric {metric.name}: {match[0]} stands "
                f"for nothing here. Please specify one of: {', '.join(known)}."
            )
        return known[match[1]]

    return _PLACEHOLDER.sub(replace, metric.definition)


def check_columns(metrics: Sequence[CustomMetric], columns: Sequence[str]) -> None:
    """Check that the columns of custom metrics exist.

    Raises:
        ProfilingError: A column does not exist.
    """
    known = {column.lower() for column in columns}
    for metric in metrics:
        for column in metric.input_columns:
            if column != TABLE and column.lower() not in known:
                raise ProfilingError(
                    f"Custom metric {metric.name} is of column {column}, which the table lacks. "
                    f"It has: {', '.join(columns)}."
                )


def evaluate(source: Source, configuration: Configuration) -> Values:
    """Return the values of all custom metrics.

    Raises:
        ProfilingError: The SQL of a metric fails.
    """
    values: Values = {}
    wanted = [(m, column) for m in configuration.metrics for column in m.input_columns]
    if not wanted:
        return values
    aggregates = ", ".join(
        f"CAST(({render(metric, column, configuration.names)}) AS {metric.output_type}) AS __a{at}"
        for at, (metric, column) in enumerate(wanted)
    )
    models = [False, True] if configuration.model_id else [False]
    for by_model in models:
        for slice_key in (None, *configuration.slices):
            for row in _query(source, configuration, aggregates, by_model, slice_key):
                model = None
                if configuration.model_id:
                    model = row["__m"] if by_model else ALL_MODELS
                group = Group(model, slice_key, row.get("__s"))
                for at, (metric, column) in enumerate(wanted):
                    cells = values.setdefault((row["__w"], group, column), {})
                    cells[metric.name] = row[f"__a{at}"]
    return values


def _query(
    source: Source,
    configuration: Configuration,
    aggregates: str,
    by_model: bool,
    slice_key: str | None,
) -> list[dict[str, Any]]:
    keys = {"__w": "__w"}
    conditions = []
    if by_model:
        keys["__m"] = f"CAST({quote(configuration.model_id)} AS STRING)"
        conditions.append(f"{quote(configuration.model_id)} IS NOT NULL")
    if slice_key is not None:
        keys["__s"] = f"CAST(({slice_key}) AS STRING)"
        conditions.append(f"({slice_key}) IS NOT NULL")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    chosen = ", ".join(f"{sql} AS {name}" for name, sql in keys.items())
    by = ", ".join(keys.values())
    text = f"SELECT {chosen}, {aggregates} FROM {source.rows}{where} GROUP BY {by}"
    try:
        rows: list[dict[str, Any]] = source.session.sql(text).toArrow().to_pylist()
    except Exception as error:
        names = ", ".join(metric.name for metric in configuration.metrics)
        raise ProfilingError(f"Custom metrics ({names}) cannot be evaluated: {error}") from error
    if slice_key is not None:
        kept = set(source.slice_values[slice_key])
        rows = [row for row in rows if row["__s"] in kept]
    return rows
