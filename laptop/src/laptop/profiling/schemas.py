"""Schemas of the two metric tables, with Databricks' column order and types."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from .configuration import Configuration

_LONG, _DOUBLE, _TEXT = pa.int64(), pa.float64(), pa.string()
_WINDOW = pa.struct(
    [("start", pa.timestamp("us", tz="UTC")), ("end", pa.timestamp("us", tz="UTC"))]
)
_TEST = pa.struct([("statistic", _DOUBLE), ("pvalue", _DOUBLE)])
_ITEMS = pa.list_(pa.struct([("item", _TEXT), ("count", _LONG)]))
_AVERAGED = pa.struct(
    [("one_vs_all", pa.map_(_TEXT, _DOUBLE)), ("macro", _DOUBLE), ("weighted", _DOUBLE)]
)
_CONFUSION = pa.list_(pa.struct([("prediction", _TEXT), ("label", _TEXT), ("count", _LONG)]))
_ARROW = {
    "double": _DOUBLE,
    "float": pa.float32(),
    "bigint": _LONG,
    "int": pa.int32(),
    "string": _TEXT,
    "boolean": pa.bool_(),
}


def _doubles(names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, _DOUBLE) for name in names.split()]


_STATISTICS = [
    ("count", _LONG),
    ("data_type", _TEXT),
    ("num_nulls", _LONG),
    ("avg", _DOUBLE),
    ("quantiles", pa.list_(_DOUBLE)),
    *_doubles("min max stddev"),
    ("num_zeros", _LONG),
    ("num_nan", _LONG),
    *_doubles("min_length max_length avg_length"),
    ("non_null_columns", pa.list_(_TEXT)),
    ("frequent_items", _ITEMS),
    ("median", _DOUBLE),
    ("distinct_count", _LONG),
    *_doubles("percent_nan percent_null percent_zeros percent_distinct"),
]
_QUALITY = {
    "": [],
    "classification": [
        ("accuracy_score", _DOUBLE),
        ("confusion_matrix", _CONFUSION),
        *((name, _AVERAGED) for name in ("precision", "recall", "f1_score", "roc_auc_score")),
        ("log_loss", _DOUBLE),
    ],
    "regression": _doubles(
        "mean_squared_error root_mean_squared_error mean_average_error "
        "mean_absolute_percentage_error r2_score"
    ),
}


def profile_schema(configuration: Configuration) -> pa.Schema:
    """Return the schema of `<table>_profile_metrics`."""
    quality = _QUALITY[configuration.problem if configuration.label else ""]
    return pa.schema(
        [
            ("window", _WINDOW),
            ("log_type", _TEXT),
            ("logging_table_commit_version", pa.int32()),
            ("monitor_version", _LONG),
            ("granularity", _TEXT),
            *_model(configuration),
            ("slice_key", _TEXT),
            ("slice_value", _TEXT),
            ("column_name", _TEXT),
            *_STATISTICS,
            *quality,
            *((metric.name, _ARROW[metric.output_type]) for metric in configuration.metrics),
        ]
    )


def drift_schema(configuration: Configuration) -> pa.Schema:
    """Return the schema of `<table>_drift_metrics`."""
    return pa.schema(
        [
            ("window", _WINDOW),
            ("granularity", _TEXT),
            ("monitor_version", _LONG),
            *_model(configuration),
            ("slice_key", _TEXT),
            ("slice_value", _TEXT),
            ("column_name", _TEXT),
            ("data_type", _TEXT),
            ("window_cmp", _WINDOW),
            ("drift_type", _TEXT),
            ("count_delta", _LONG),
            *_doubles("avg_delta percent_null_delta percent_zeros_delta percent_distinct_delta"),
            ("non_null_columns_delta", pa.struct([("added", pa.int32()), ("missing", pa.int32())])),
            ("js_distance", _DOUBLE),
            ("ks_test", _TEST),
            *_doubles("wasserstein_distance population_stability_index"),
            ("chi_squared_test", _TEST),
            *_doubles("tv_distance l_infinity_distance"),
        ]
    )


def _model(configuration: Configuration) -> list[tuple[str, pa.DataType]]:
    return [(configuration.model_id, _TEXT)] if configuration.model_id else []


def to_table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Convert rows to Arrow; missing columns are null."""

    def cells(field: pa.Field) -> Iterable[Any]:
        values = (row.get(field.name) for row in rows)
        if pa.types.is_struct(field.type) and field.type.get_field_index("one_vs_all") >= 0:
            # Arrow represents maps as lists of pairs.
            return [v and {**v, "one_vs_all": list(v["one_vs_all"].items())} for v in values]
        return list(values)

    return pa.Table.from_arrays(
        [pa.array(cells(field), field.type) for field in schema], schema=schema
    )
