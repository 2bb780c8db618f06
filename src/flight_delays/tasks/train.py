"""Task: train a model on point-in-time features and register it for validation."""

import mlflow
from numpy.typing import ArrayLike

from ..config.loading import digest_training, load_configuration
from ..config.policy import load_policy
from ..config.training import load_training
from ..config.tuning import TuningPolicy, load_tuning
from ..evaluation.model_types import format_metrics
from ..lakehouse.context import Lakehouse
from ..lakehouse.model_logging import log_datasets, log_model
from ..lakehouse.registry import read_version, tag_version
from ..lakehouse.tables import read_versions
from ..problem import PROBLEM
from ..promotion.model_version import (
    AS_OF_TAG,
    LEARNED_UNTIL_TAG,
    MODEL_TYPE_TAG,
    PENDING,
    STATUS_TAG,
    TRAINING_DIGEST_TAG,
)
from ..spec.windows import split_windows
from .approval import link_job
from .backtest import make_time_split, try_candidates
from .datasets import (
    Rows,
    advise,
    read_holdout_rows,
    read_training_rows,
    require_source,
    table_names,
)
from .parameters import FullName, Instant, Parameters, SchemaName, Switch, Text
from .training_report import describe_version, explain_model, log_training, make_result
from .tuning import propose_change, tune


class TrainParameters(Parameters):
    """Parameters of the train task.

    Attributes:
        tune: Whether to also search for better hyperparameters.
        git_commit: Commit the bundle was deployed from; empty outside a repository.
        deployment_job: Id of the job deployment, which requests approvals; empty without one.
    """

    model: FullName
    source: SchemaName
    experiment: Text
    as_of: Instant
    policy: Text
    tune: Switch
    git_commit: str
    job_run: Text
    reason: Text
    deployment_job: str = ""
    environment: str = ""


def run(parameters: TrainParameters, lakehouse: Lakehouse, search: TuningPolicy | None) -> None:
    """Train on the training window, measure on the held-out rows, explain, register.

    Without `search`, no hyperparameters are searched.
    """
    policy = load_policy(parameters.policy, PROBLEM.model_type)
    extras = load_training()
    hyperparameters = load_configuration("model", PROBLEM.hyperparameters)
    loss = policy.comparison.loss
    source, as_of = parameters.source, parameters.as_of
    remedy = advise(source, parameters.model)
    require_source(lakehouse, source, parameters.model)
    train = read_training_rows(as_of, policy, source, remedy, lakehouse)
    held_out = read_holdout_rows(as_of, policy, source, remedy, lakehouse)

    windows = split_windows(as_of, policy.windows, PROBLEM.label_maturity)
    tags = {
        AS_OF_TAG: as_of.isoformat(),
        LEARNED_UNTIL_TAG: windows.learned_until.isoformat(),
        TRAINING_DIGEST_TAG: digest_training(parameters.policy),
        MODEL_TYPE_TAG: PROBLEM.model_type.name,
        "git_commit": parameters.git_commit or "uncommitted",
        "job_run_id": parameters.job_run,
        "policy": parameters.policy,
        "reason": parameters.reason,
    }
    mlflow.set_experiment(parameters.experiment)
    with mlflow.start_run(run_name=f"train {as_of:%Y-%m-%d}", tags=tags) as active:
        split = make_time_split("candidates", train.frame, extras.backtest, loss)
        candidates = try_candidates(split, PROBLEM.build_estimator(hyperparameters))
        if search is not None:
            reach = extras.backtest.model_copy(update={"max_rows": search.max_rows})
            more = make_time_split("trials", train.frame, reach, loss)
            propose_change(tune(more, PROBLEM.build_estimator, hyperparameters, search), loss)

        model = PROBLEM.build_estimator(hyperparameters)
        model.fit(train.features, train.labels)
        predictions = model.predict(held_out.features)
        measured = measure(held_out, predictions)
        print(f"held out: {format_metrics(measured, PROBLEM.model_type)}")
        mlflow.log_params(hyperparameters.model_dump())
        mlflow.log_params({"training_rows": len(train.frame), "holdout_rows": len(held_out.frame)})
        mlflow.log_metrics({f"holdout_{name}": value for name, value in measured.items()})
        tables = read_versions(lakehouse.workspace, table_names(source))
        log_datasets(tables)
        result = make_result(
            run_id=active.info.run_id,
            model_name=parameters.model,
            tags=tags,
            policy=policy,
            tables=tables,
            hyperparameters=hyperparameters,
            train=train,
            held_out=held_out,
            predictions=predictions,
            measured=measured,
            split=split,
            candidates=candidates,
            explained=explain_model(model, train, held_out, loss, extras.explanations),
        )
        log_training(result)
        model_uri = log_model(
            lakehouse.feature_store,
            model,
            train.training_set,
            PROBLEM.modules_by_value,
            PROBLEM.requirements,
        )
    link_job(parameters.model, parameters.deployment_job, parameters.environment, lakehouse)
    version = read_version(
        lakehouse.registry,
        parameters.model,
        int(mlflow.register_model(model_uri, parameters.model).version),
    )
    tag_version(lakehouse.registry, version, **tags, **{STATUS_TAG: PENDING})
    lakehouse.registry.update_model_version(
        version.model, str(version.version), describe_version(result)
    )
    lakehouse.set_task_value("model_uri", version.uri)


def measure(held_out: Rows, predictions: ArrayLike) -> dict[str, float]:
    """Return the metrics that these labels allow; the gate refuses if one is missing."""
    measured = PROBLEM.model_type.measure(held_out.labels, predictions)
    return {name: value for name, value in measured.items() if value is not None}


def main() -> None:
    """Run the task from its command line."""
    parameters = TrainParameters.parse()
    reviewed = load_configuration("model", PROBLEM.hyperparameters)
    run(parameters, Lakehouse(), load_tuning(reviewed) if parameters.tune else None)
