"""Artifacts and runs of a training with tuning in MLflow."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from flight_delays.config.loading import load_configuration
from flight_delays.config.policy import load_policy
from flight_delays.config.training import load_training
from flight_delays.config.tuning import load_tuning
from flight_delays.evaluation.baselines import build_baselines
from flight_delays.evaluation.model_types import format_figure
from flight_delays.problem import PROBLEM
from flight_delays.spec.windows import split_windows
from flight_delays.tasks.parameters import read_instant

from tests.conftest import MODEL, SCHEMA, Laptop
from tests.problem.instants import FIRST

REVIEWED = load_configuration("model", PROBLEM.hyperparameters)
WINDOWS = split_windows(
    read_instant(FIRST),
    load_policy("policy_small", PROBLEM.model_type).windows,
    PROBLEM.label_maturity,
)

TRIALS = 3
FEW = f"""
from flight_delays.config.loading import load_configuration
from flight_delays.config.tuning import load_tuning
from flight_delays.lakehouse.context import Lakehouse
from flight_delays.problem import PROBLEM

reviewed = load_configuration("model", PROBLEM.hyperparameters)
few = load_tuning(reviewed).model_copy(update={{"trials": {TRIALS}}})
"""
TRAIN = f"""
from flight_delays.tasks import train
{FEW}
parameters = train.TrainParameters.parse([
    "--model={MODEL}", "--source={SCHEMA}", "--experiment=/Shared/tuned", "--as_of={FIRST}",
    "--policy=policy_small", "--tune=true", "--git_commit=", "--job_run=1", "--reason=test",
])
train.run(parameters, Lakehouse(), few)
"""
READ = f"""
import json
import mlflow

client = mlflow.MlflowClient()
number = max(int(v.version) for v in client.search_model_versions("name = '{MODEL}'"))
version = client.get_model_version({MODEL!r}, str(number))
run = client.get_run(version.run_id)
inside = client.search_runs(
    [run.info.experiment_id], f"tags.mlflow.parentRunId = '{{run.info.run_id}}'"
)
names = ("model_card.md", "training.html", "candidates.csv", "importance.csv", "tuning/model.yml")
texts = {{n: mlflow.artifacts.load_text(f"runs:/{{version.run_id}}/{{n}}") for n in names}}
print(json.dumps({{
    "description": version.description,
    "texts": texts,
    "runs": [
        {{"name": r.info.run_name, "status": r.info.status, "tags": r.data.tags,
          "params": r.data.params, "metrics": r.data.metrics}}
        for r in (run, *reversed(inside))
    ],
}}))
"""


@dataclass(frozen=True)
class Left:
    """Results of a training.

    Attributes:
        printed: Output.
        description: Description of the version.
        texts: Artifacts by path.
        run: MLflow run.
        inside: Nested runs by name.
    """

    printed: str
    description: str
    texts: Mapping[str, str]
    run: Mapping[str, Any]
    inside: Mapping[str, Mapping[str, Any]]

    @property
    def trials(self) -> dict[str, Mapping[str, Any]]:
        """The runs of trials, in order."""
        return {name: run for name, run in self.inside.items() if "trial" in run["tags"]}


@pytest.fixture(scope="module")
def tuned(trained: Laptop) -> Left:
    """Return the results of the task train with tuning on a smaller budget."""
    printed = trained.execute(TRAIN)
    found = json.loads(trained.execute(READ).splitlines()[-1])
    run, *inside = found["runs"]
    return Left(
        printed=printed,
        description=found["description"],
        texts=found["texts"],
        run=run,
        inside={each["name"]: each for each in inside},
    )


def read_hyperparameters(run: Mapping[str, Any]) -> Any:
    """Return the logged hyperparameters of a run as strings."""
    return {name: run["params"][name] for name in REVIEWED.model_dump()}


def test_candidates_and_trials_are_runs_inside_the_training(tuned: Left) -> None:
    candidates = [name for name in tuned.inside if name not in tuned.trials]
    baselines = list(build_baselines(PROBLEM.model_type, (), ()))
    assert sorted(candidates) == sorted(["the model", "heuristic baseline", *baselines])
    assert list(tuned.trials) == [f"trial {number}" for number in range(TRIALS)]
    assert {run["status"] for run in tuned.inside.values()} == {"FINISHED"}


def test_neither_candidates_nor_trials_see_a_row_that_is_held_out(tuned: Left) -> None:
    rows = int(tuned.run["params"]["training_rows"])
    for run in tuned.inside.values():
        params = run["params"]
        first, last = params["backtest_validation_from"], params["backtest_validation_until"]
        assert first <= last < WINDOWS.training.end.strftime("%Y-%m-%dT%H:%M:%S")
        train, validation = (
            int(params[f"backtest_{what}_rows"]) for what in ("train", "validation")
        )
        reach = load_tuning(REVIEWED) if "trial" in run["tags"] else load_training().backtest
        tried = min(rows, reach.max_rows)
        assert train + validation == pytest.approx(tried, abs=2)
        assert validation == pytest.approx(load_training().backtest.share * tried, rel=0.2)


def test_reviewed_hyperparameters_are_tried_first_and_are_those_trained_with(tuned: Left) -> None:
    reviewed = {name: str(value) for name, value in REVIEWED.model_dump().items()}
    assert read_hyperparameters(tuned.trials["trial 0"]) == reviewed
    assert read_hyperparameters(tuned.run) == reviewed
    others = [read_hyperparameters(run) for run in tuned.trials.values()]
    assert len({json.dumps(each) for each in others}) == TRIALS


def test_the_best_trial_is_offered_as_the_file_that_a_reviewer_can_commit(tuned: Left) -> None:
    offered = tuned.texts["tuning/model.yml"]
    best = tuned.run["tags"]["tuning_best_trial"]
    losses = {name: run["metrics"]["backtest_loss"] for name, run in tuned.trials.items()}
    assert losses[f"trial {best}"] == min(losses.values())
    wanted = PROBLEM.hyperparameters.model_validate(yaml.safe_load(offered))
    assert {name: str(value) for name, value in wanted.model_dump().items()} == (
        read_hyperparameters(tuned.trials[f"trial {best}"])
    )
    changed = {n for n, v in wanted.model_dump().items() if v != getattr(REVIEWED, n)}
    assert changed <= set(load_tuning(REVIEWED).search)
    added = re.findall(r"^\+(\w+): ", tuned.printed, re.MULTILINE)
    assert set(added) == changed
    assert f"trial {best} of" in tuned.printed or not changed


def test_the_best_trial_lies_where_make_adopt_looks(tuned: Left, trained: Laptop) -> None:
    (folder,) = trained.home.path.glob("artifacts/*/*/artifacts/tuning")
    assert (folder / "model.yml").read_text() == tuned.texts["tuning/model.yml"]
    assert (folder / "model.diff").exists() == (tuned.run["tags"]["tuning_best_trial"] != "0")


def test_figures_of_the_card_are_those_that_are_logged(tuned: Left) -> None:
    card = tuned.texts["model_card.md"]
    for name, metric in PROBLEM.model_type.metrics.items():
        written = format_figure(tuned.run["metrics"][f"holdout_{name}"], metric.unit)
        assert f"| {name} | {written} |" in card
        assert f"{name} {written}" in tuned.description
    for name in (name for name in tuned.inside if name not in tuned.trials):
        metrics = tuned.inside[name]["metrics"]
        figures = [
            format_figure(metrics[f"backtest_{each}"], metric.unit)
            for each, metric in PROBLEM.model_type.metrics.items()
            if f"backtest_{each}" in metrics
        ]
        (row,) = (line for line in card.splitlines() if line.startswith(f"| {name} |"))
        assert [cell for cell in row.strip("| ").split(" | ")[1:] if cell.strip()] == figures
    assert f"| {int(tuned.run['params']['training_rows']):,} |" in card
    assert PROBLEM.limits in card
    assert PROBLEM.intended_use in tuned.description


def test_every_input_has_an_importance_and_the_page_shows_the_first(tuned: Left) -> None:
    heads, *lines = tuned.texts["importance.csv"].splitlines()
    assert heads == "column,rise,spread"
    assert sorted(line.partition(",")[0] for line in lines) == sorted(PROBLEM.feature_columns)
    assert f">{lines[0].partition(',')[0][:20]}" in tuned.texts["training.html"]
    assert tuned.texts["candidates.csv"].count("\n") == 1 + len(tuned.inside) - len(tuned.trials)


TUNE = f"""
import json
import os
import mlflow
from flight_delays.config.policy import load_policy
from flight_delays.config.training import load_training
from flight_delays.tasks.parameters import read_instant
from flight_delays.tasks.backtest import make_time_split
from flight_delays.tasks.datasets import read_training_rows
from flight_delays.tasks.tuning import tune
{FEW}
as_of = read_instant({FIRST!r})
policy = load_policy("policy_small", PROBLEM.model_type)
rows = read_training_rows(as_of, policy, {SCHEMA!r}, "", Lakehouse())
reach = load_training().backtest.model_copy(update={{"max_rows": few.max_rows}})
split = make_time_split("trials", rows.frame, reach, policy.comparison.loss)
built = []

def build(hyperparameters):
    built.append(hyperparameters)
    if len(built) == CUT:
        print("cut", flush=True)
        os._exit(0)
    return PROBLEM.build_estimator(hyperparameters)

mlflow.set_experiment("/Shared/cut")
with mlflow.start_run():
    found = tune(split, build, reviewed, few)
print(json.dumps([trial.candidate.loss for trial in found.trials]))
"""


@pytest.mark.nightly
def test_tuning_killed_half_way_and_run_again_tries_the_same(trained: Laptop, tuned: Left) -> None:
    assert trained.execute(f"CUT = 2\n{TUNE}").endswith("cut\n")
    again = json.loads(trained.execute(f"CUT = None\n{TUNE}").splitlines()[-1])
    losses = [tuned.trials[f"trial {n}"]["metrics"]["backtest_loss"] for n in range(TRIALS)]
    assert again == pytest.approx(losses, rel=1e-9)
    assert len(set(losses)) == TRIALS
