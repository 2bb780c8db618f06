"""The declaration of a problem, which is validated when it is created."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel

from ..errors import DeclarationError
from ..evaluation.model_types import Estimator, ModelType
from . import typed_model
from .refresh import Refresh
from .request_features import SQL_TYPES, RequestFeature, check_all
from .tables import KEY_TYPES, QUARANTINE, WATERMARKS, FeatureTable, Qualify, Source

if TYPE_CHECKING:
    from databricks.feature_engineering import FeatureFunction, FeatureLookup


# Timestamp of the feature look-up; not an input of the model.
FEATURES_AT = "features_at"


@dataclass(frozen=True, kw_only=True)
class Spine:
    """The rows to predict, with the features that need no look-up.

    Attributes:
        source: The source table of the rows, with their primary keys.
        decision_at: Its column with the UTC instant at which the prediction is made.
        features: Its columns that are features.
        lookups: Its further look-up keys.
    """

    source: str
    decision_at: str
    features: tuple[str, ...] = ()
    lookups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Label:
    """The label of a row.

    Attributes:
        source: The source table of labels, joined by the keys of the spine.
        column: Its column with the label, a double.
        known_at: Its column with the UTC instant at which the label became known.
        where: SQL condition on its columns for rows that have a label.
    """

    source: str
    column: str
    known_at: str
    where: str = "TRUE"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The declaration of a problem.

    Attributes:
        description: What is predicted, from what, when; the start of each version's description.
        intended_use: Users and uses of the predictions, in whole sentences.
        limits: Limitations and out-of-scope uses.
        model_type: `BINARY_CLASSIFICATION`, or `regression(...)` with its unit.
        sources: The source tables.
        feature_tables: The feature tables.
        request_features: Features computed on demand; one may use those before it.
        refresh: Schedule of the feature refresh.
        time_zone: IANA name of the local time zone, such as America/New_York. Errors of rows of one
            local day are correlated, so statistics use days as blocks.
        spine: The rows to predict.
        label: Their label.
        hyperparameters: The schema of conf/model.yml.
        build_model: Returns an unfitted scikit-learn (or compatible) estimator for hyperparameters.
            It is fitted to a frame of the `categorical_columns` as strings and the
            `numerical_columns` as doubles, with NaN for missing values. Predictions are those of
            `predict_proba` for a binary model, else of `predict`.
        heuristic_baseline: Returns predictions for the same frame without training; a first version
            must be better.
        pickle_by_value_modules: Modules of this project with classes of the fitted model. They are
            pickled with it, because the project is not installed where the model is served.
        requirements: Distributions that the fitted model requires.
        label_maturity: Time after the decision at which nearly all labels are known. Younger rows
            are not used for training and validation.
    """

    description: str
    intended_use: str
    limits: str
    model_type: ModelType
    sources: tuple[Source, ...]
    feature_tables: tuple[FeatureTable, ...]
    refresh: Refresh
    time_zone: str
    spine: Spine
    label: Label
    hyperparameters: type[BaseModel]
    build_model: Callable[[Any], Any]
    heuristic_baseline: Callable[[pd.DataFrame], npt.NDArray[np.float64]]
    requirements: tuple[str, ...]
    request_features: tuple[RequestFeature, ...] = ()
    pickle_by_value_modules: tuple[ModuleType, ...] = ()
    label_maturity: timedelta = timedelta()

    def __post_init__(self) -> None:
        """Validate the declarations.

        Raises:
            DeclarationError: An unknown or duplicate name, or an invalid value.
        """
        for name in ("description", "intended_use", "limits"):
            if not getattr(self, name).strip():
                raise DeclarationError(
                    name,
                    got="nothing",
                    allowed="a sentence or more",
                    remedy="Write it for the users of the model; the model card shows it.",
                )
        if self.label_maturity < timedelta():
            raise DeclarationError(
                "label_maturity",
                got=str(self.label_maturity),
                allowed="no time or more, as timedelta(days=1)",
                remedy="Give the time from a decision until its label is nearly always known.",
            )
        _require_zone(self.time_zone)
        named = [source.name for source in self.sources]
        tables = [QUARANTINE, WATERMARKS, *named, *(table.name for table in self.feature_tables)]
        _refuse_twice("sources and feature_tables", tables, "Rename one of the tables.")
        for source in self.sources:
            what = f"Source {source.name}"
            _require(f"{what}, primary_keys", source.primary_keys, source.columns, "columns")
            _require(f"{what}, rules", source.rules, source.columns, "columns")
            dated_by = (source.dated_by,) if source.dated_by else ()
            _require(f"{what}, dated_by", dated_by, source.columns, "columns")
            texts = [name for name, kind in source.columns.items() if kind.upper() == "STRING"]
            _require(f"{what}, fill", source.fill, texts, "columns of type STRING")
        _require("Spine.source", (self.spine.source,), named, "sources")
        _require("Label.source", (self.label.source,), named, "sources")
        spine = self.require_source(self.spine.source)
        wanted = (self.spine.decision_at, *self.spine.features, *self.spine.lookups)
        _require("Spine", wanted, spine.columns, f"columns of the source {spine.name}")
        label = self.require_source(self.label.source)
        wanted = (*spine.primary_keys, self.label.column, self.label.known_at)
        _require("Label", wanted, label.columns, f"columns of the source {label.name}")
        check_all(self.request_features, {**spine.columns, **self._looked_up})
        for table in self.feature_tables:
            self._check_table(table)
        columns = [*self.metadata_columns, *self.feature_columns, self.label.column]
        _refuse_twice("columns of a training set", columns, "Rename one where it is computed.")

    @cached_property
    def keys(self) -> Mapping[str, str]:
        """The Spark SQL type of each key of a row."""
        source = self.require_source(self.spine.source)
        return {key: source.columns[key] for key in source.primary_keys}

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of a row: keys, features, look-up keys and look-up time."""
        spine, source = self.spine, self.require_source(self.spine.source).columns
        taken = (name for each in self.request_features for name in each.bindings.values())
        computed = [each.output for each in self.request_features]
        needed = (name for name in taken if name in source and name not in computed)
        known = (*self.keys, *spine.features, *spine.lookups, *needed, spine.decision_at)
        return (*dict.fromkeys(known), FEATURES_AT)

    @cached_property
    def metadata_columns(self) -> tuple[str, ...]:
        """The columns of a row that are not inputs of the model."""
        return tuple(column for column in self.columns if column not in self.spine.features)

    @cached_property
    def feature_columns(self) -> tuple[str, ...]:
        """The inputs of the model."""
        looked_up = (feature for table in self.feature_tables for feature in table.features)
        computed = (each.output for each in self.request_features)
        return (*self.spine.features, *looked_up, *computed)

    @cached_property
    def categorical_columns(self) -> tuple[str, ...]:
        """The categorical features."""
        types = self.require_source(self.spine.source).columns
        known = (name for name in self.spine.features if types[name].upper() == "STRING")
        looked_up = (name for name, kind in self._looked_up.items() if kind == "STRING")
        computed = (each.output for each in self.request_features if each.sql_type == "STRING")
        return (*known, *looked_up, *computed)

    @cached_property
    def numerical_columns(self) -> tuple[str, ...]:
        """The numerical features."""
        return tuple(
            column for column in self.feature_columns if column not in self.categorical_columns
        )

    @property
    def modules_by_value(self) -> tuple[ModuleType, ...]:
        """All modules that are pickled with a fitted model."""
        return (typed_model, *self.pickle_by_value_modules)

    def build_estimator(self, hyperparameters: Any) -> Estimator:
        """Return the unfitted model, which selects and casts its columns."""
        return typed_model.TypedModel(
            self.build_model(hyperparameters),
            self.categorical_columns,
            self.numerical_columns,
            binary=self.model_type.labels is not None,
        )

    def require_source(self, name: str) -> Source:
        """Return a source by its name."""
        return next(source for source in self.sources if source.name == name)

    def look_ups(self, qualify: Qualify) -> "list[FeatureLookup | FeatureFunction]":
        """Return the feature look-ups and functions, with names qualified by `qualify`."""
        from databricks.feature_engineering import FeatureFunction, FeatureLookup

        looked_up = [
            FeatureLookup(
                table_name=qualify(table.name),
                lookup_key=list(table.lookup_key),
                feature_names=list(table.features),
                timestamp_lookup_key=FEATURES_AT if table.timeseries_column else None,
                lookback_window=table.lookback,
            )
            for table in self.feature_tables
        ]
        computed = [
            FeatureFunction(
                udf_name=qualify(feature.catalog_name),
                input_bindings=dict(feature.bindings),
                output_name=feature.output,
            )
            for feature in self.request_features
        ]
        return [*looked_up, *computed]

    @cached_property
    def _looked_up(self) -> Mapping[str, str]:
        """The SQL type of each feature of the tables."""
        return {
            name: SQL_TYPES[str if name in table.categorical else float]
            for table in self.feature_tables
            for name in table.features
        }

    def _check_table(self, table: FeatureTable) -> None:
        what = f"FeatureTable {table.name}"
        sources = [source.name for source in self.sources]
        _require(f"{what}, sql", table.sources, sources, "sources")
        if table.timeseries_column is not None:
            keys = table.primary_keys
            _require(f"{what}, timeseries_column", (table.timeseries_column,), keys, "primary keys")
        elif self.label.source in table.sources:
            raise DeclarationError(
                f"{what}, sql",
                got=f"{self.label.source}, which has the label, and no timeseries_column",
                allowed="sources without the label, or rows with a time",
                remedy="Add the instant since when a row is known to primary_keys, and name it.",
            )
        keys = table.lookup_key
        columns = [column for column in self.columns if column != FEATURES_AT]
        _require(f"{what}, primary_keys", keys, columns, "columns of the spine")
        spine = self.require_source(self.spine.source)
        for key in keys:
            _check_key(f"{what}, primary_keys", key, spine)
        self._check_age(what, table)

    def _check_age(self, what: str, table: FeatureTable) -> None:
        age = self.refresh.greatest_age
        if table.fresh_within < age:
            raise DeclarationError(
                f"{what}, fresh_within",
                got=str(table.fresh_within),
                allowed=f"{age} or more: features are refreshed every {self.refresh.every} and "
                f"published {self.refresh.delay} later",
                remedy="Refresh more often, or declare the age that requests really see.",
            )
        if table.lookback is not None and table.lookback < table.fresh_within:
            raise DeclarationError(
                f"{what}, lookback",
                got=str(table.lookback),
                allowed=f"{table.fresh_within} or more, the age that fresh_within allows",
                remedy="With a shorter one, features that are fresh enough would not be found.",
            )


def _check_key(what: str, key: str, spine: Source) -> None:
    kind = spine.columns[key].upper()
    if kind not in KEY_TYPES:
        raise DeclarationError(
            what,
            got=f"{key} {kind}",
            allowed=", ".join(KEY_TYPES),
            remedy="An endpoint would find no features, without an error. Use a STRING key, or "
            "whole seconds since 1970 as BIGINT.",
        )
    if key not in spine.never_null:
        raise DeclarationError(
            what,
            got=f"{key}, which may be missing in rows of the source {spine.name}",
            allowed="columns that have a value in every row",
            remedy=f"Give {spine.name} a `fill` for it, a value that no feature table has as key, "
            "or a rule that requires it: a missing key makes an endpoint refuse the request.",
        )


def _require_zone(time_zone: str) -> None:
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DeclarationError(
            "time_zone",
            got=repr(time_zone),
            allowed="an IANA name of a time zone, such as America/New_York or UTC",
            remedy="Name the zone whose days the rows belong to.",
        ) from error


def _require(what: str, wanted: Iterable[str], there: Iterable[str], those: str) -> None:
    there = list(there)
    missing = [name for name in wanted if name not in there]
    if missing:
        raise DeclarationError(
            what,
            got=", ".join(missing),
            allowed=f"the {those}: {', '.join(there)}",
            remedy="Correct the name, or add what it names.",
        )


def _refuse_twice(what: str, names: list[str], remedy: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DeclarationError(
            what, got=f"{', '.join(twice)} twice", allowed="each name once", remedy=remedy
        )
