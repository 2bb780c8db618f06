"""Register planted models and run the job's tasks validate and deploy on each.

Runs in a task of a workspace with a Champion. `run` prints a JSON line for each model.
"""

import importlib.metadata
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import cloudpickle
import mlflow
from mlflow.types import ColSpec, Schema

from flight_delays.config.loading import load_configuration
from flight_delays.config.policy import Policy, load_policy
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.lakehouse.model_process import RAW_MODEL
from flight_delays.lakehouse.registry import read_aliases, read_version, set_alias, tag_version
from flight_delays.lakehouse.results import write_results
from flight_delays.problem import PROBLEM
from flight_delays.promotion.decide import CHAMPION
from flight_delays.promotion.model_version import ModelVersion
from flight_delays.spec.problem import FEATURES_AT
from flight_delays.spec.windows import split_windows
from flight_delays.tasks import deploy, validate
from flight_delays.tasks.datasets import Rows, read_holdout_rows, read_training_rows

from . import base, figures, forms, processes, rows
from .base import Bench, Planted
from .catalogue import FAILED, PASSED, Plant

MODULES = (base, figures, forms, processes, rows)
# Tags that train sets.
TAGS = ("as_of", "learned_until", "training_digest", "model_type", "git_commit", "job_run_id",
        "policy")  # fmt: skip
POLICY = "policy_small"


@dataclass(frozen=True, kw_only=True)
class Nursery:
    """The workspace in which models are planted.

    Attributes:
        lakehouse: The platform's clients.
        model: Full name of the registered model.
        schema: Schema of the tables, with its catalog.
    """

    lakehouse: Lakehouse
    model: str
    schema: str

    def model_of(self, plant: Plant) -> str:
        """Return the registered model of a plant.

        Those that fail have one of their own without a Champion: what they are compared with does
        not matter, and so their validation does not see the aliases of the others move.
        """
        moving = plant.ends != FAILED or plant.moves_alias
        return self.model if moving else f"{self.model}_failing"

    @cached_property
    def champion(self) -> ModelVersion:
        """The Champion."""
        registry = self.lakehouse.registry
        return read_version(registry, self.model, read_aliases(registry, self.model)[CHAMPION])

    @cached_property
    def policy(self) -> Policy:
        """The policy for validation."""
        return load_policy(POLICY, PROBLEM.model_type)

    @cached_property
    def experiment(self) -> str:
        """The experiment of the job."""
        run = self.lakehouse.registry.get_run(self.champion.run_id)
        return str(self.lakehouse.registry.get_experiment(run.info.experiment_id).name)

    @cached_property
    def training(self) -> Rows:
        """The Champion's training rows."""
        as_of = self.champion.require_as_of()
        return read_training_rows(as_of, self.policy, self.schema, "", self.lakehouse)

    @cached_property
    def bench(self) -> Bench:
        """Data and models that planted models are built from."""
        as_of = self.champion.require_as_of()
        held_out = read_holdout_rows(as_of, self.policy, self.schema, "", self.lakehouse)
        folder = mlflow.artifacts.download_artifacts(self.champion.uri)
        reviewed = load_configuration("model", PROBLEM.hyperparameters)

        def build(**changes: Any) -> Any:
            return PROBLEM.build_estimator(reviewed.model_copy(update=changes))

        @cache
        def memorise() -> Any:
            model = build(
                max_iter=200, max_leaf_nodes=256, min_samples_leaf=1, l2_regularization=0.0,
                learning_rate=0.1, max_features=1.0,
            )  # fmt: skip
            return model.fit(held_out.features, held_out.labels)

        return Bench(
            sound=mlflow.sklearn.load_model(f"{folder}/{RAW_MODEL}"),
            fresh=build,
            training=self.training.frame,
            held_out=held_out.frame,
            inputs=list(PROBLEM.feature_columns),
            label=PROBLEM.label.column,
            registered=self.model,
            memorised=memorise,
        )

    @cached_property
    def instants(self) -> Mapping[str, str]:
        """Timestamps that tags of the catalogue can refer to by name."""
        as_of = self.champion.require_as_of()
        holdout = split_windows(as_of, self.policy.windows, PROBLEM.label_maturity).holdout
        return {
            "holdout_end": holdout.end.isoformat(),
            "a_day_later": (as_of + timedelta(days=2)).isoformat(),
            "earlier": (as_of - timedelta(days=4)).isoformat(),
            "earlier_holdout": (holdout.start - timedelta(days=4)).isoformat(),
        }

    def register(self, plant: Plant) -> ModelVersion:
        """Register a planted model like train does."""
        registry = self.lakehouse.registry
        # mlflow.set_experiment would apply to all threads.
        name = plant.experiment or self.experiment
        found = registry.get_experiment_by_name(name)
        number = found.experiment_id if found else registry.create_experiment(name)
        with mlflow.start_run(experiment_id=number):
            uri = self.log(plant)
        model = self.model_of(plant)
        made = int(mlflow.register_model(uri, model).version)
        if plant.borrows_run:
            made = int(registry.create_model_version(model, uri, self.champion.run_id).version)
        version = read_version(registry, model, made)
        tags = {**{name: self.champion.tags[name] for name in TAGS}, **plant.tags}
        wanted = {name: value.format(**self.instants) for name, value in tags.items() if value}
        tag_version(registry, version, **wanted, model_validation_status="PENDING")
        description = self.champion.description if plant.description is None else plant.description
        registry.update_model_version(model, str(made), description)
        return version

    def log(self, plant: Plant) -> str:
        """Log the model with its look-ups to the active run; return its URI."""
        installed = [f"{name}=={importlib.metadata.version(name)}" for name in PROBLEM.requirements]
        more: dict[str, Any] = {}
        with TemporaryDirectory() as folder:
            if plant.code:
                package = Path(folder, "brought")
                package.mkdir()
                (package / "__init__.py").write_text("VALUE = 1\n")
                more["code_paths"] = [str(package)]
            info = self.lakehouse.feature_store.log_model(
                model=self.make(plant.model),
                artifact_path="model",
                flavor=mlflow.sklearn,
                training_set=self.find_training_set(plant),
                infer_input_example=True,
                output_schema=Schema([ColSpec(plant.output)]),
                pip_requirements=[*installed, *plant.pins] if plant.pins else installed,
                serialization_format="cloudpickle",
                **more,
            )
        return str(info.model_uri)

    def find_training_set(self, plant: Plant) -> Any:
        """Return the training set to log a model with."""
        if not plant.looked_up_at and not plant.looked_up_in:
            return self.training.training_set
        from databricks.feature_engineering import FeatureLookup

        copied = plant.looked_up_in and self.copy_tables(plant.looked_up_in)
        rows = self.training.frame[[*PROBLEM.columns, PROBLEM.label.column]].head(10)
        at = plant.looked_up_at or FEATURES_AT
        return self.lakehouse.feature_store.create_training_set(
            df=self.lakehouse.spark.createDataFrame(rows),
            feature_lookups=[
                FeatureLookup(
                    table_name=f"{copied or self.schema}.{table.name}",
                    lookup_key=list(table.lookup_key),
                    feature_names=list(table.features),
                    timestamp_lookup_key=at if table.timeseries_column else None,
                    lookback_window=table.lookback,
                )
                for table in PROBLEM.feature_tables
            ],
            label=PROBLEM.label.column,
            exclude_columns=list(PROBLEM.metadata_columns),
        )

    def copy_tables(self, schema: str) -> str:
        """Copy the feature tables into a new schema of the same catalog; return its full name."""
        name = f"{self.schema.partition('.')[0]}.{schema}"
        self.lakehouse.spark.sql(f"CREATE SCHEMA {name}")
        for table in PROBLEM.feature_tables:
            self.lakehouse.feature_store.create_table(
                name=f"{name}.{table.name}",
                primary_keys=list(table.primary_keys),
                timeseries_column=table.timeseries_column,
                df=self.lakehouse.spark.table(f"{self.schema}.{table.name}"),
            )
        return name

    @cached_property
    def made(self) -> dict[type, Any]:
        """The models built so far, by class."""
        return {}

    def make(self, model: type[Planted]) -> Planted:
        """Return the model of a class, built once."""
        if model not in self.made:
            self.made[model] = model.make(self.bench)
        made: Planted = self.made[model]
        return made

    def send(self, plant: Plant, version: ModelVersion) -> str:
        """Run validate on a version, and deploy unless PASSED is expected; return the error."""
        arguments = [f"--model_uri={version.uri}", f"--source={self.schema}"]
        try:
            validate.run(
                validate.ValidateParameters.parse(
                    [*arguments, f"--policy={POLICY}", f"--target={self.schema}",
                     f"--experiment={self.experiment}", "--job_run=planted"]
                ),
                self.lakehouse,
            )  # fmt: skip
            if plant.ends != PASSED:
                policy = plant.deployed_by or POLICY
                deploy.run(
                    deploy.DeployParameters.parse(
                        [*arguments, f"--policy={policy}", "--online_store=online-store"]
                    ),
                    self.lakehouse,
                )
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def describe(self, plant: Plant, number: int, error: str) -> dict[str, Any]:
        """Return the outcome of a plant, and restore the alias Champion if it was moved."""
        registry = self.lakehouse.registry
        model = self.model_of(plant)
        found = read_version(registry, model, number)
        champion = read_aliases(registry, model).get(CHAMPION)
        expected = self.champion.version if model == self.model else None
        if champion != expected:
            set_alias(registry, self.champion, CHAMPION)
        return {
            "name": plant.name,
            "version": number,
            "status": found.status,
            "reason": found.tags.get("validation_reason", ""),
            "decision": found.tags.get("decision", ""),
            "decision_reason": found.tags.get("decision_reason", ""),
            "error": error,
            "aliases": sorted(found.aliases),
            "champion_stayed": champion == expected,
        }


def one_at_a_time(function: Callable[..., None]) -> Callable[..., None]:
    """Wrap a function so that only one thread at a time calls it."""
    lock = Lock()

    def call(*given: Any, **named: Any) -> None:
        with lock:
            function(*given, **named)

    return call


def leave(*_: Any) -> None:
    """Do nothing."""


def run(plants: Sequence[Plant], model: str, schema: str, *, pages: bool) -> None:
    """Plant models, and print the outcome of each as a JSON line.

    Args:
        plants: Models to plant.
        model: Full name of the registered model.
        schema: Schema of the tables, with its catalog.
        pages: Whether to write the validation reports, which take a third of the time.
    """
    # Offline, so that requirements that need an index fail in the same way on every machine.
    os.environ["UV_OFFLINE"] = "1"
    # Cached: the installed packages are the same for each model.
    for name in ("packages_distributions", "requires"):
        setattr(importlib.metadata, name, cache(getattr(importlib.metadata, name)))
    # One of two concurrent writes to a Delta table would fail; the job has one writer.
    validate.write_results = one_at_a_time(write_results)  # type: ignore[attr-defined]
    if not pages:
        validate.log_report = leave  # type: ignore[assignment]
    for module in (*MODULES, *PROBLEM.modules_by_value):
        cloudpickle.register_pickle_by_value(module)
    nursery = Nursery(lakehouse=Lakehouse(), model=model, schema=schema)
    nursery.lakehouse.set_task_value = leave  # type: ignore[assignment, method-assign]
    # Read before there are two threads.
    _ = nursery.bench

    def send(plant: Plant) -> None:
        started = time.perf_counter()
        version = nursery.register(plant)
        error = nursery.send(plant, version)
        seconds = round(time.perf_counter() - started, 1)
        found = nursery.describe(plant, version.version, error) | {"seconds": seconds}
        print("\n" + json.dumps(found), flush=True)

    # Those that move an alias run one after the other, beside those that fail.
    moving = [plant for plant in plants if nursery.model_of(plant) == model]
    with ThreadPoolExecutor(2) as pool:
        chain = pool.submit(lambda: list(map(send, moving)))
        list(pool.map(send, [plant for plant in plants if plant not in moving]))
        chain.result()
