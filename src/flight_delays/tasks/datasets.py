"""Rows of a window with point-in-time features, in a fixed order."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd

from ..config.policy import Policy
from ..lakehouse.context import Lakehouse
from ..lakehouse.functions import require_function
from ..lakehouse.tables import require_readable
from ..problem import PROBLEM
from ..spec.selection import select_rows
from ..spec.windows import Interval
from .holdout import load_holdout, look_up, select_training_rows
from .parameters import in_schema

if TYPE_CHECKING:
    from databricks.feature_engineering.training_set import TrainingSet
    from pyspark.sql import DataFrame


class TrainingDataError(Exception):
    """There are no rows to train on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """The labelled rows of a window.

    Attributes:
        training_set: The training set to log a model with.
        frame: The problem's columns, its inputs and the label, sorted by decision time.
    """

    interval: Interval
    training_set: "TrainingSet"
    frame: pd.DataFrame

    @property
    def features(self) -> pd.DataFrame:
        """The features."""
        return self.frame[list(PROBLEM.feature_columns)]

    @property
    def labels(self) -> pd.Series:
        """The labels."""
        return self.frame[PROBLEM.label.column]


def table_names(source: str) -> list[str]:
    """Return the feature tables' full names."""
    return [in_schema(source, table.name) for table in PROBLEM.feature_tables]


def read_training_rows(
    as_of: datetime, policy: Policy, source: str, remedy: str, lakehouse: Lakehouse
) -> Rows:
    """Return the rows of the training window before an instant.

    Raises:
        TrainingDataError: There are no rows.
    """
    interval, labelled = select_training_rows(as_of, policy, source, lakehouse)
    return read_features("training", interval, labelled, source, remedy, lakehouse)


def read_holdout_rows(
    as_of: datetime, policy: Policy, source: str, remedy: str, lakehouse: Lakehouse
) -> Rows:
    """Return the rows held out before an instant.

    Raises:
        TrainingDataError: There are no rows.
    """
    holdout = load_holdout(as_of, policy, source, lakehouse)
    return read_features("holdout", holdout.interval, holdout.rows, source, remedy, lakehouse)


def read_features(
    name: str,
    interval: Interval,
    labelled: "DataFrame",
    source: str,
    remedy: str,
    lakehouse: Lakehouse,
) -> Rows:
    """Return labelled rows with point-in-time features, sorted by decision time.

    `name` is that of the window, `remedy` says how to get rows, as a sentence.

    Raises:
        TrainingDataError: There are no rows.
    """
    qualify = partial(in_schema, source)
    if labelled.isEmpty():
        raise TrainingDataError(
            f"No row with a known label was decided {interval}, the {name} window. {remedy} Or "
            "give another as_of, or wider windows in the policy under conf/."
        )
    rows = look_up(labelled, source, lakehouse)
    decided = select_rows(lakehouse.spark, PROBLEM, qualify, interval).count()
    print(f"{name}: {decided:,} rows decided {interval}, {len(rows):,} with a known label")
    training_set = lakehouse.feature_store.create_training_set(
        df=labelled,
        feature_lookups=PROBLEM.look_ups(qualify),
        label=PROBLEM.label.column,
        exclude_columns=list(PROBLEM.metadata_columns),
    )
    return Rows(interval=interval, training_set=training_set, frame=rows)


def require_source(lakehouse: Lakehouse, source: str, model: str) -> None:
    """Check that the training tables exist and may be read.

    Raises:
        LakehouseError: A table is missing or may not be read; the message says what to do.
    """
    facts = dict.fromkeys((PROBLEM.spine.source, PROBLEM.label.source))
    for table in (*facts, *(each.name for each in PROBLEM.feature_tables)):
        require_readable(lakehouse.spark, in_schema(source, table), advise(source, model))
    for feature in PROBLEM.request_features:
        name = in_schema(source, feature.catalog_name)
        require_function(lakehouse.workspace, name, advise(source, model))


def advise(source: str, model: str) -> str:
    """Return what to do if a source cannot be read: refresh it, or name another one."""
    if source == model.rpartition(".")[0]:
        return "Run the job feature_refresh first, with the same as_of."
    catalog, _, schema = source.partition(".")
    return (
        f"The variables source_catalog and source_schema name {source}, which another deployment "
        "writes. Set both to existing names. Reading requires USE CATALOG on "
        f"{catalog}, and USE SCHEMA and SELECT on {schema}: docs/cicd.md, Grants."
    )
