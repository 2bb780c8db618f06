"""A problem, declared whole; what does not hold together is refused before anything runs."""

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


# The instant as of which a row looks its features up; the model never sees it.
FEATURES_AT = "features_at"


@dataclass(frozen=True, kw_only=True)
class Spine:
    """The rows that something is predicted for, and what is known of them without a look-up.

    Attributes:
        source: The source table that has them; its primary keys are theirs.
        decision_at: Its column with the UTC instant at which the prediction is made.
        features: Its columns that the model sees as they are.
        lookups: Its further columns by which features are looked up.
    """

    source: str
    decision_at: str
    features: tuple[str, ...] = ()
    lookups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Label:
    """What happened to a row, once it is known.

    Attributes:
        source: The source table that says it, by the keys of the spine.
        column: Its column with the label, a double.
        known_at: Its column with the UTC instant since when the label is known.
        where: A condition, as SQL on its columns, for rows that have a label.
    """

    source: str
    column: str
    known_at: str
    where: str = "TRUE"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A problem, as all tasks see it.

    Attributes:
        description: What is predicted, from what, when; opens each version's description.
        intended_use: Who is to use predictions for what, in whole sentences.
        limits: Where the predictions do not hold, and what they are not to be used for.
        model_type: `BINARY_CLASSIFICATION`, or `regression(...)` with its unit.
        sources: The tables of facts.
        feature_tables: The tables of features.
        request_features: Features computed from the others when a prediction is made; one may take
            what those before it give.
        refresh: How often the tables are brought up to date.
        time_zone: IANA name of the zone whose days the rows belong to, as America/New_York: rows of
            one local day share its circumstances, so figures are judged by days.
        spine: The rows that something is predicted for.
        label: What happened to them.
        hyperparameters: What conf/model.yml holds.
        build_model: Builds the model of hyperparameters, not yet fitted: an estimator of
            scikit-learn, or one like it. It is fitted to a frame of the `categorical_columns`, as
            texts, and the `numerical_columns`, as doubles, with NaN for what is missing. A binary
            one is asked by its `predict_proba`, any other by its `predict`.
        heuristic_baseline: Predictions for the same frame without learning; a first version must
            be better.
        pickle_by_value_modules: Modules of this project that the fitted model's classes come from:
            where it is served the project is not installed, so they are pickled with it. None
            where all classes are of libraries.
        requirements: Distributions that the fitted model needs to be loaded and asked.
        label_maturity: How long after the decision nearly all labels are known. Younger rows are
            neither learned from nor judged by.
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
        """Hold the declarations against each other.

        Raises:
            DeclarationError: One names what another does not have, or a name stands twice.
        """
        for name in ("description", "intended_use", "limits"):
            if not getattr(self, name).strip():
                raise DeclarationError(
                    name,
                    got="nothing",
                    allowed="a sentence or more",
                    remedy="Write it for those who will rely on the model: its card shows it.",
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
        """The columns that identify a row, each with its Spark SQL type."""
        source = self.require_source(self.spine.source)
        return {key: source.columns[key] for key in source.primary_keys}

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of a row: keys, features, what features are looked up by and as of when."""
        spine, source = self.spine, self.require_source(self.spine.source).columns
        taken = (name for each in self.request_features for name in each.bindings.values())
        computed = [each.output for each in self.request_features]
        needed = (name for name in taken if name in source and name not in computed)
        known = (*self.keys, *spine.features, *spine.lookups, *needed, spine.decision_at)
        return (*dict.fromkeys(known), FEATURES_AT)

    @cached_property
    def metadata_columns(self) -> tuple[str, ...]:
        """The columns of a row that the model does not see."""
        return tuple(column for column in self.columns if column not in self.spine.features)

    @cached_property
    def feature_columns(self) -> tuple[str, ...]:
        """The columns that the model sees."""
        looked_up = (feature for table in self.feature_tables for feature in table.features)
        computed = (each.output for each in self.request_features)
        return (*self.spine.features, *looked_up, *computed)

    @cached_property
    def categorical_columns(self) -> tuple[str, ...]:
        """The feature columns that are categories."""
        types = self.require_source(self.spine.source).columns
        known = (name for name in self.spine.features if types[name].upper() == "STRING")
        looked_up = (name for name, kind in self._looked_up.items() if kind == "STRING")
        computed = (each.output for each in self.request_features if each.sql_type == "STRING")
        return (*known, *looked_up, *computed)

    @cached_property
    def numerical_columns(self) -> tuple[str, ...]:
        """The feature columns that are numbers."""
        return tuple(
            column for column in self.feature_columns if column not in self.categorical_columns
        )

    @property
    def modules_by_value(self) -> tuple[ModuleType, ...]:
        """All modules that are pickled with a fitted model."""
        return (typed_model, *self.pickle_by_value_modules)

    def build_estimator(self, hyperparameters: Any) -> Estimator:
        """Build the model, not yet fitted: from a frame of any columns to one double a row."""
        return typed_model.TypedModel(
            self.build_model(hyperparameters),
            self.categorical_columns,
            self.numerical_columns,
            binary=self.model_type.labels is not None,
        )

    def require_source(self, name: str) -> Source:
        """Return the source of a name, which a checked problem has."""
        return next(source for source in self.sources if source.name == name)

    def look_ups(self, qualify: Qualify) -> "list[FeatureLookup | FeatureFunction]":
        """Return how a row finds its features, by tables and functions that `qualify` names."""
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
        """The features of the tables, each with its SQL type."""
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
                allowed="sources that say nothing of the label, or rows with a time",
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
            remedy="An endpoint would find nothing by it, and say nothing. Key by a text, or by "
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
