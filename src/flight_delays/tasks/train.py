"""Task: train a model on point-in-time features and register it, not yet validated."""

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import mlflow
import pandas as pd

from ..lakehouse.context import Lakehouse
from ..lakehouse.logging import log_datasets, log_model
from ..lakehouse.registry import AS_OF_TAG, PENDING, STATUS_TAG, read_version, tag_version
from ..lakehouse.tables import read_versions, require_table
from ..lifecycle import measure
from ..problem import probability
from ..problem.errors import TrainingDataError
from ..problem.features import EXCLUDED, FEATURE_TABLES, LABEL, feature_lookups
from ..problem.model import build_model, load_hyperparameters
from ..problem.policy import load_policy
from ..problem.spine import count_flights_by_outcome, select_labelled_flights
from ..problem.split import Interval, split
from .parameters import FullName, Instant, Parameters, SchemaName, Text, in_schema

if TYPE_CHECKING:
    from databricks.feature_engineering.training_set import TrainingSet

FIGURES = ("holdout_auc", "holdout_log_loss", "holdout_calibration_error")
REFRESH = "Run the job feature_refresh first, with the same as_of."


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
    policy = load_policy(parameters.policy)
    hyperparameters = load_hyperparameters()
    windows = split(parameters.as_of, policy.windows)
    qualify = partial(in_schema, parameters.source)
    tables = [qualify(table.name) for table in FEATURE_TABLES]
    for table in (qualify("flights"), qualify("outcomes"), *tables):
        require_table(lakehouse.spark, table, REFRESH)

    def assemble(name: str, interval: Interval) -> tuple["TrainingSet", pd.DataFrame]:
        """Return the training set of a window, and its rows."""
        flights = select_labelled_flights(lakehouse.spark, qualify, interval, parameters.as_of)
        if flights.isEmpty():
            raise TrainingDataError(
                f"No flight with a known outcome was decided {interval}, the {name} window of "
                f"as_of {parameters.as_of}.",
                f"{REFRESH} Or give another one: --params as_of=2013-11-01.",
            )
        training_set = lakehouse.feature_store.create_training_set(
            df=flights,
            feature_lookups=feature_lookups(qualify),
            label=LABEL,
            exclude_columns=list(EXCLUDED),
        )
        rows = training_set.load_df().toPandas()
        # Rows come in any order; in one order the same data makes the same model.
        rows = rows.sort_values(list(rows.columns), ignore_index=True)
        print(f"{name}: {len(rows):,} flights decided {interval}")
        return training_set, rows

    training_set, learned = assemble("training", windows.training)
    _, held_out = assemble("holdout", windows.holdout)
    outcomes = count_flights_by_outcome(lakehouse.spark, qualify, windows.holdout, parameters.as_of)
    told = ", ".join(f"{count:,} {status}" for status, count in outcomes.items())
    print(f"held out, by outcome: {told}; only landed flights have a label")

    model = build_model(hyperparameters)
    model.fit(learned.drop(columns=LABEL), learned[LABEL])
    measured = asdict(measure(held_out[LABEL], model.predict(held_out.drop(columns=LABEL))))
    # There is no AUC where all flights are late or none is; the gate refuses that.
    metrics = {f"holdout_{name}": value for name, value in measured.items() if value is not None}
    figures = ", ".join(f"{name} {metrics[name]:.4f}" for name in FIGURES if name in metrics)
    print(f"held out: {figures}")

    facts = {
        AS_OF_TAG: parameters.as_of.isoformat(),
        "git_commit": parameters.git_commit or "uncommitted",
        "job_run_id": parameters.job_run,
        "policy": parameters.policy,
    }
    mlflow.set_experiment(parameters.experiment)
    with mlflow.start_run(run_name=f"train {parameters.as_of:%Y-%m-%d}", tags=facts):
        mlflow.log_params(hyperparameters.model_dump())
        mlflow.log_params({"training_rows": len(learned), "holdout_rows": len(held_out)})
        mlflow.log_metrics(metrics)
        log_datasets(read_versions(lakehouse.workspace, tables))
        model_uri = log_model(lakehouse.feature_store, model, training_set, by_value=[probability])
    version = read_version(
        lakehouse.registry,
        parameters.model,
        int(mlflow.register_model(model_uri, parameters.model).version),
    )
    tag_version(lakehouse.registry, version, **facts, **{STATUS_TAG: PENDING})
    lakehouse.registry.update_model_version(
        version.model,
        str(version.version),
        f"Trained on {len(learned):,} flights decided before {windows.training.end:%Y-%m-%d}; "
        f"held out until {windows.holdout.end:%Y-%m-%d}: {figures}.",
    )
    lakehouse.set_task_value("model_uri", version.uri)


def main() -> None:
    """Run the task from its command line."""
    run(TrainParameters.parse(), Lakehouse())
