"""Configuration of a monitor, validated as far as possible without the table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .windows import GRANULARITIES

AGGREGATE = "AGGREGATE"
TABLE = ":table"
_TYPE_PREFIX = "DATA_PROFILING_CUSTOM_METRIC_TYPE_"
_KINDS = ("inference_log", "time_series", "snapshot")
_PROBLEMS = {
    "INFERENCE_PROBLEM_TYPE_CLASSIFICATION": "classification",
    "INFERENCE_PROBLEM_TYPE_REGRESSION": "regression",
}


class ProfilingError(Exception):
    """The table cannot be profiled; the message says what to change."""


class NotBuilt(ProfilingError):
    """A type of profile that Databricks supports and the laptop does not."""


@dataclass(frozen=True)
class CustomMetric:
    """A custom aggregate in the profile.

    Attributes:
        name: Column of the metric tables.
        definition: SQL with `{{input_column}}`, `{{prediction_col}}` and the like.
        input_columns: Columns to evaluate it for; `:table` is the table as a whole.
        output_type: Spark type of the column.
    """

    name: str
    definition: str
    input_columns: tuple[str, ...]
    output_type: str


@dataclass(frozen=True)
class Configuration:
    """The part of a `DataProfilingConfig` used by the profiler.

    Attributes:
        kind: inference_log, time_series or snapshot.
        granularities: Such as `1 day`; none for a snapshot.
        problem: classification, regression, or empty.
        slices: SQL expressions; each divides the rows separately.
    """

    kind: str
    timestamp: str = ""
    granularities: tuple[str, ...] = ()
    problem: str = ""
    prediction: str = ""
    label: str = ""
    model_id: str = ""
    slices: tuple[str, ...] = ()
    metrics: tuple[CustomMetric, ...] = ()
    baseline: str = ""

    @property
    def names(self) -> Mapping[str, str]:
        """Columns by placeholder of custom metrics."""
        given = {
            "prediction_col": self.prediction,
            "label_col": self.label,
            "timestamp_col": self.timestamp,
            "model_id_col": self.model_id,
        }
        return {name: column for name, column in given.items() if column}


def read_configuration(document: Mapping[str, Any]) -> Configuration:
    """Parse a `data_profiling_config`.

    Raises:
        ProfilingError: It is inconsistent or incomplete.
        NotBuilt: The laptop does not support such profiles.
    """
    kinds = [kind for kind in _KINDS if document.get(kind) is not None]
    if len(kinds) != 1:
        raise ProfilingError(
            f"data_profiling_config needs exactly one of {', '.join(_KINDS)}; it has "
            f"{' and '.join(kinds) or 'none'}."
        )
    (kind,) = kinds
    settings = document[kind]
    common: dict[str, Any] = {
        "kind": kind,
        "slices": tuple(document.get("slicing_exprs") or ()),
        "metrics": read_metrics(document.get("custom_metrics") or ()),
        "baseline": document.get("baseline_table_name") or "",
    }
    if kind == "snapshot":
        return Configuration(**common)
    timestamp = _require(settings, kind, "timestamp_column")
    wanted = settings.get("granularities") or []
    unknown = [each for each in wanted if each not in GRANULARITIES]
    if unknown or not wanted:
        raise ProfilingError(
            f"granularities of {kind} must be some of {', '.join(GRANULARITIES)}; got: "
            f"{', '.join(map(str, unknown)) or 'none'}."
        )
    granularities = tuple(dict.fromkeys(GRANULARITIES[each] for each in wanted))
    if kind == "time_series":
        return Configuration(timestamp=timestamp, granularities=granularities, **common)
    problem = settings.get("problem_type")
    if problem not in _PROBLEMS:
        raise ProfilingError(
            f"problem_type of inference_log must be one of {', '.join(_PROBLEMS)}; got: {problem}."
        )
    return Configuration(
        timestamp=timestamp,
        granularities=granularities,
        problem=_PROBLEMS[problem],
        prediction=_require(settings, kind, "prediction_column"),
        model_id=_require(settings, kind, "model_id_column"),
        label=settings.get("label_column") or "",
        **common,
    )


def read_metrics(given: Sequence[Mapping[str, Any]]) -> tuple[CustomMetric, ...]:
    """Parse custom metrics.

    Raises:
        ProfilingError: A metric lacks a field or has a duplicate name.
        NotBuilt: A derived or a drift metric.
    """
    metrics: list[CustomMetric] = []
    for metric in given:
        name = _require(metric, "a custom metric", "name")
        kind = str(metric.get("type", "")).removeprefix(_TYPE_PREFIX)
        if kind in ("DERIVED", "DRIFT"):
            raise NotBuilt(
                f"Custom metric {name} is of type {kind}, which is not supported on the laptop; "
                f"{AGGREGATE} is."
            )
        if kind != AGGREGATE:
            raise ProfilingError(
                f"Custom metric {name} must have type {_TYPE_PREFIX}AGGREGATE, _DERIVED or "
                f"_DRIFT; got: {metric.get('type')}."
            )
        columns = metric.get("input_columns") or []
        if not columns:
            raise ProfilingError(f"Custom metric {name} needs input_columns; [':table'] is one.")
        if name.lower() in {each.name.lower() for each in metrics}:
            raise ProfilingError(f"Two custom metrics are named {name}.")
        metrics.append(
            CustomMetric(
                name,
                _require(metric, f"custom metric {name}", "definition"),
                tuple(columns),
                _read_type(name, metric.get("output_data_type")),
            )
        )
    return tuple(metrics)


def _read_type(name: str, given: object) -> str:
    """Return the Spark type of a metric, given as the JSON of a StructField."""
    try:
        field = json.loads(str(given))
        kind = field["type"]
    except (ValueError, TypeError, KeyError):
        kind = None
    known = ("double", "float", "long", "integer", "string", "boolean")
    if kind not in known:
        raise ProfilingError(
            f"output_data_type of custom metric {name} must be the JSON of a StructField, such as "
            '{"name":"output","type":"double","nullable":true,"metadata":{}}, of type '
            f"{', '.join(known)}; got: {given}. Databricks takes other texts without a word and "
            "then never starts the monitor."
        )
    return {"long": "bigint", "integer": "int"}.get(str(kind), str(kind))


def _require(settings: Mapping[str, Any], where: str, key: str) -> str:
    value = settings.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ProfilingError(f"{key} of {where} is required.")
    return value
