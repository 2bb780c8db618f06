"""Task: train a model on point-in-time features and register it, not yet validated."""

from functools import partial
from typing import TYPE_CHECKING

import mlflow
import pandas as pd

from ..contract import load_configuration, load_policy, select_labelled_rows, select_rows
from ..lakehouse.context import Lakehouse
from ..lakehouse.logging import log_datasets, log_model
from ..lakehouse.registry import (
    AS_OF_TAG,
    KIND_TAG,
    PENDING,
    STATUS_TAG,
    read_version,
    tag_version,
)
from ..lakehouse.tables import read_versions
from ..lifecycle import Interval, show, split
from ..problem import PROBLEM
from .parameters import FullName, Instant, Parameters, SchemaName, Text, in_schema
from .sources import advise, require_source

if TYPE_CHECKING:
    from databricks.feature_engineering.training_set import TrainingSet


class TrainingDataError(Exception):
    """There is nothing to learn from."""


class TrainParameters(Parameters):
    """What the task is told.

    Attributes:
        model: Full name of the registered model.
        source: Schema of the feature tables, with its catalog.
        experiment: Experiment that takes the run.
        as_of: Exclusive instant before which everything was known.
        policy: Policy file under conf/.
        git_commit: Commit the bundle was deployed from; empty outside a repository.
        job_run: Run of the job.
    """

    model: FullName
    source: SchemaName
    experiment: Text
    as_of: Instant
    policy: Text
    git_commit: str
    job_run: Text


def run(parameters: TrainParameters, lakehouse: Lakehouse) -> None:
    """Train on what came before the held-out window, measure on it, register."""
    policy = load_policy(parameters.policy, PROBLEM.kind)
    hyperparameters = load_configuration("model", PROBLEM.hyperparameters)
    windows = split(parameters.as_of, policy.windows)
    qualify = partial(in_schema, parameters.source)
    label = PROBLEM.label.column
    tables = [qualify(table.name) for table in PROBLEM.feature_tables]
    require_source(lakehouse.spark, parameters.source, parameters.model)

    def assemble(name: str, interval: Interval) -> tuple["TrainingSet", pd.DataFrame]:
        """Return the training set of a window, and its rows."""
        labelled = select_labelled_rows(
            lakehouse.spark, PROBLEM, qualify, interval, parameters.as_of
        )
        if labelled.isEmpty():
            raise TrainingDataError(
                f"No row with a known label was decided {interval}, the {name} window of "
                f"as_of {parameters.as_of}. {advise(parameters.source, parameters.model)} Or give "
                f"another as_of, or wider windows in conf/{parameters.policy}.yml."
            )
        training_set = lakehouse.feature_store.create_training_set(
            df=labelled,
            feature_lookups=PROBLEM.look_ups(qualify),
            label=label,
            exclude_columns=list(PROBLEM.excluded),
        )
        rows = training_set.load_df().toPandas()
        # Rows come in any order; in one order the same data makes the same model.
        rows = rows.sort_values(list(rows.columns), ignore_index=True)
        decided = select_rows(lakehouse.spark, PROBLEM, qualify, interval).count()
        print(f"{name}: {decided:,} rows decided {interval}, {len(rows):,} with a known label")
        return training_set, rows

    training_set, learned = assemble("training", windows.training)
    _, held_out = assemble("holdout", windows.holdout)

    model = PROBLEM.build_model(hyperparameters)
    model.fit(learned.drop(columns=label), learned[label])
    predicted = model.predict(held_out.drop(columns=label))
    # What these labels do not allow to be measured is left out; the gate refuses that.
    measured = {
        name: value
        for name, value in PROBLEM.kind.measure(held_out[label], predicted).items()
        if value is not None
    }
    figures = ", ".join(
        f"{name} {show(value, PROBLEM.kind.metrics[name].unit)}" for name, value in measured.items()
    )
    print(f"held out: {figures}")

    tags = {
        AS_OF_TAG: parameters.as_of.isoformat(),
        KIND_TAG: PROBLEM.kind.name,
        "git_commit": parameters.git_commit or "uncommitted",
        "job_run_id": parameters.job_run,
        "policy": parameters.policy,
    }
    mlflow.set_experiment(parameters.experiment)
    with mlflow.start_run(run_name=f"train {parameters.as_of:%Y-%m-%d}", tags=tags):
        mlflow.log_params(hyperparameters.model_dump())
        mlflow.log_params({"training_rows": len(learned), "holdout_rows": len(held_out)})
        mlflow.log_metrics({f"holdout_{name}": value for name, value in measured.items()})
        log_datasets(read_versions(lakehouse.workspace, tables))
        model_uri = log_model(
            lakehouse.feature_store, model, training_set, PROBLEM.by_value, PROBLEM.requirements
        )
    version = read_version(
        lakehouse.registry,
        parameters.model,
        int(mlflow.register_model(model_uri, parameters.model).version),
    )
    tag_version(lakehouse.registry, version, **tags, **{STATUS_TAG: PENDING})
    lakehouse.registry.update_model_version(
        version.model,
        str(version.version),
        f"{PROBLEM.description} "
        f"Trained on {len(learned):,} rows decided before {windows.training.end:%Y-%m-%d}; "
        f"held out until {windows.holdout.end:%Y-%m-%d}: {figures}.",
    )
    lakehouse.set_task_value("model_uri", version.uri)


def main() -> None:
    """Run the task from its command line."""
    run(TrainParameters.parse(), Lakehouse())
