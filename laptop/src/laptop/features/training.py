"""Training sets: a DataFrame joined with the features it looks up."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from .errors import FeatureError
from .frames import to_spark
from .functions import FeatureFunction, Function, check_argument_types, check_arguments
from .joins import KeyedTable, augment, join
from .lookup import FeatureLookup
from .spec import FeatureColumn, FeatureSpec, FunctionColumn, InputTable, SourceColumn, Step
from .tables import FeatureTable
from .types import arrow_type

C = TypeVar("C", SourceColumn, FeatureColumn, FunctionColumn)
MOST_FUNCTIONS = 100


class TrainingSet:
    """A DataFrame and the features to join to it.

    Attributes:
        feature_spec: Inputs of a model trained on this set.
        label_types: Spark simple type name by label column; labels are not in the
            specification.
    """

    def __init__(
        self,
        feature_spec: FeatureSpec,
        label_types: Mapping[str, str],
        df: DataFrame,
        tables: Mapping[str, FeatureTable],
        functions: Mapping[str, Function] | None = None,
    ) -> None:
        self.feature_spec = feature_spec
        self.label_types = label_types
        self._df = df
        self._tables = tables
        self._functions = functions or {}

    def load_df(self) -> DataFrame:
        """Return the model's input columns, then the labels."""
        spark = self._df.sparkSession
        find = OfflineFeatures(spark, self._tables, self._functions).find
        joined = augment(self._df.toArrow(), self.feature_spec, find)
        return to_spark(spark, joined.select(self.get_output_columns()))

    def get_output_columns(self) -> list[str]:
        """Return the names of the model's input columns, then of the labels."""
        return [*self.feature_spec.model_columns, *self.label_types]

    def first_row(self) -> pa.Table:
        """Return at most one row of the DataFrame, with the source columns."""
        names = [column.name for column in self.feature_spec.sources]
        return self._df.select(*names).limit(1).toArrow()


class OfflineFeatures:
    """Point-in-time features from feature tables, and features computed from them.

    Args:
        spark: Session for the queries.
        tables: Metadata of each table.
        functions: Metadata of each function.
    """

    def __init__(
        self,
        spark: SparkSession,
        tables: Mapping[str, FeatureTable],
        functions: Mapping[str, Function],
    ) -> None:
        self._spark = spark
        self._tables = tables
        self._functions = functions

    def find(self, lookup: Step, spine: pa.Table) -> pa.Table:
        """Return the features of a lookup or function, without rows later than the spine."""
        if isinstance(lookup, FunctionColumn):
            arguments = {name: spine.column(column) for name, column in lookup.input_bindings}
            function = self._functions[lookup.udf_name]
            result = function.evaluate(arguments, spine.num_rows)
            return pa.table({lookup.name: result})
        table = self._tables[lookup.table_name]
        columns = dict.fromkeys([*table.key_columns, *(name for name, _ in lookup.features)])
        rows = self._spark.table(lookup.table_name).select(*columns)
        if lookup.timestamp_lookup_key and table.timeseries_column:
            latest = pc.max(spine.column(lookup.timestamp_lookup_key)).as_py()
            rows = rows.where(_until(table.timeseries_column, latest))
        keyed = KeyedTable(rows.toArrow(), tuple(table.primary_keys), table.timeseries_column)
        return join(spine, keyed, lookup)


def build_spec(
    types: Mapping[str, str],
    lookups: Sequence[FeatureLookup],
    tables: Mapping[str, FeatureTable],
    labels: Sequence[str],
    exclude_columns: Sequence[str],
    feature_functions: Sequence[FeatureFunction] = (),
    functions: Mapping[str, Function] | None = None,
) -> FeatureSpec:
    """Return the specification of a model trained on a DataFrame and its lookups.

    Excluded columns are no model inputs; those used as keys stay in the specification.

    Args:
        types: Spark simple type name by column of the DataFrame.
        lookups: The lookups to join.
        tables: Metadata of each looked-up table.
        labels: Label columns of the DataFrame.
        exclude_columns: Columns that are not inputs of the model.
        feature_functions: Functions to compute from columns and features.
        functions: Metadata of each function.

    Raises:
        FeatureError: Columns, keys, types or names are inconsistent.
    """
    _check_labels(types, labels, exclude_columns)
    features = [column for lookup in lookups for column in _explode(lookup, tables)]
    functions = functions or {}
    computed = [_compute(each, functions[each.udf_name]) for each in feature_functions]
    brought: list[FeatureColumn | FunctionColumn] = [*features, *computed]
    _check_outputs(types, brought, labels)
    known = dict(types) | {column.name: column.data_type for column in brought}
    for lookup in lookups:
        _check_lookup(lookup, tables[lookup.table_name], known)
    for column in computed:
        check_argument_types(functions[column.udf_name], dict(column.input_bindings), known)

    excluded = set(exclude_columns)
    keys = {key for column in features for key in (*column.lookup_key, column.timestamp_lookup_key)}
    keys |= {argument for column in computed for argument in column.keys}
    sources = [SourceColumn(name, kind) for name, kind in types.items() if name not in labels]

    def keep(columns: Sequence[C]) -> tuple[C, ...]:
        return tuple(
            replace(column, include=column.name not in excluded)
            for column in columns
            if column.name not in excluded or column.name in keys
        )

    chosen = keep(features)
    windows = _windows(lookups)
    spec = FeatureSpec(
        sources=keep(sources),
        features=chosen,
        tables=tuple(
            InputTable(name, tables[name].table_id, windows[name])
            for name in sorted({column.table_name for column in chosen})
        ),
        functions=keep(computed),
    )
    spec.steps()
    return spec


def _explode(lookup: FeatureLookup, tables: Mapping[str, FeatureTable]) -> Iterator[FeatureColumn]:
    table = tables[lookup.table_name]
    # The order in which Databricks returns them if none is named.
    values = sorted(name for name in table.features if name not in table.key_columns)
    names = lookup.feature_names or values
    if strange := sorted(set(lookup.default_values) - {lookup.rename(name) for name in names}):
        raise FeatureError(
            f"default_values names {', '.join(strange)}, which the lookup in {table.name} does not "
            f"bring. It brings: {', '.join(map(lookup.rename, names))}."
        )
    if strange := sorted(set(lookup.rename_outputs) - set(names)):
        raise FeatureError(
            f"rename_outputs names {', '.join(strange)}, which the lookup in {table.name} does not "
            f"take. It takes: {', '.join(names)}."
        )
    for name in names:
        if name not in table.types:
            raise FeatureError(
                f"Feature table {table.name} has no feature {name}. It has: {', '.join(values)}."
            )
        output = lookup.rename(name)
        default = lookup.default_values.get(output)
        column = FeatureColumn(
            name=output,
            data_type=table.types[name],
            table_name=table.name,
            feature_name=name,
            lookup_key=lookup.lookup_keys,
            timestamp_lookup_key=lookup.timestamp_lookup_key,
            default_value=None if default is None else str(default),
        )
        arrow_type(column.data_type)
        _ = column.default
        yield column


def _compute(feature: FeatureFunction, function: Function) -> FunctionColumn:
    check_arguments(function, feature.input_bindings)
    bindings = tuple(feature.input_bindings.items())
    arrow_type(function.returns)
    return FunctionColumn(feature.column, function.returns, function.name, bindings)


def _until(column: str, latest: datetime | date | None) -> Column:
    if latest is None:
        return F.lit(False)
    if isinstance(latest, datetime) and latest.tzinfo is None:
        latest = latest.replace(tzinfo=UTC)
    return F.col(column) <= F.lit(latest)


def _windows(lookups: Sequence[FeatureLookup]) -> dict[str, float | None]:
    windows: dict[str, float | None] = {}
    for lookup in lookups:
        window = lookup.lookback_window
        seconds = None if window is None else window.total_seconds()
        if windows.setdefault(lookup.table_name, seconds) != seconds:
            raise FeatureError(
                f"Lookups in {lookup.table_name} have different lookback windows: "
                f"{windows[lookup.table_name]} and {seconds} seconds. Allowed: one a table."
            )
    return windows


def _check_labels(
    types: Mapping[str, str], labels: Sequence[str], exclude_columns: Sequence[str]
) -> None:
    for label in labels:
        if label not in types:
            raise FeatureError(
                f"Label {label} is not a column of the DataFrame. It has: {', '.join(types)}."
            )
        if label in exclude_columns:
            raise FeatureError(f"Label {label} is in exclude_columns. Remove it there.")


def _check_outputs(
    types: Mapping[str, str],
    features: Sequence[FeatureColumn | FunctionColumn],
    labels: Sequence[str],
) -> None:
    seen: set[str] = set()
    for column in features:
        looked_up = isinstance(column, FeatureColumn)
        origin = column.table_name if isinstance(column, FeatureColumn) else column.udf_name
        rename = "rename_outputs" if looked_up else "output_name"
        if column.name in seen:
            raise FeatureError(
                f"Two features become column {column.name}. Give one of them another name with "
                f"{rename}."
            )
        if column.name in types:
            what = "the label" if column.name in labels else "a column of the DataFrame"
            raise FeatureError(
                f"Feature {column.name} of {origin} has the name of {what}. Rename it with "
                f"{rename}, or drop the column."
            )
        seen.add(column.name)


def _check_lookup(lookup: FeatureLookup, table: FeatureTable, known: Mapping[str, str]) -> None:
    by = [*lookup.lookup_keys, *filter(None, [lookup.timestamp_lookup_key])]
    timed = bool(lookup.timestamp_lookup_key)
    if len(lookup.lookup_keys) != len(table.primary_keys) or timed != bool(table.timestamp_keys):
        raise FeatureError(
            f"Feature table {table.name} has the primary keys {table.primary_keys} and the "
            f"timeseries column {table.timeseries_column}; the lookup has lookup_key="
            f"{list(lookup.lookup_keys)} and timestamp_lookup_key={lookup.timestamp_lookup_key}. "
            "Give one column for each, in that order."
        )
    check_types(by, table, known)


def check_types(by: Sequence[str], table: FeatureTable, known: Mapping[str, str]) -> None:
    """Check that lookup columns have the types of the table's keys.

    Args:
        by: Columns to look up by, those for the primary keys first.
        table: The feature table.
        known: Spark simple type name by column.

    Raises:
        FeatureError: Types differ; Databricks requires equal types too.
    """
    for name, key in zip(by, table.key_columns, strict=True):
        if name in known and known[name] != table.types[key]:
            raise FeatureError(
                f"Key {key} of feature table {table.name} is {table.types[key]}; column {name} it "
                f"is looked up by is {known[name]}. Cast the column."
            )
