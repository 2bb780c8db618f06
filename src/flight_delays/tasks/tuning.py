"""Tuning: search hyperparameters on the training window, and propose the best for review."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import mlflow
import pandas as pd
from pydantic import BaseModel

from ..config.loading import read_configuration
from ..config.tuning import (
    MODEL_FILE,
    Number,
    Range,
    TuningPolicy,
    replace_hyperparameters,
    write_hyperparameters,
    write_patch,
)
from ..evaluation.backtest import Candidate
from ..evaluation.model_types import Estimator, format_figure
from ..problem import PROBLEM
from .backtest import TimeSplit, log_candidate

FOLDER = "tuning"


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """Hyperparameters and results of a trial."""

    hyperparameters: BaseModel
    candidate: Candidate


def tune(
    split: TimeSplit,
    build: Callable[[Any], Estimator],
    reviewed: BaseModel,
    policy: TuningPolicy,
) -> Sequence[Trial]:
    """Run trials within the policy's budget, each in a nested run; the first is `reviewed`.

    `build` makes a model from hyperparameters; `reviewed` are those of conf/model.yml.
    """
    # Importing it takes a second.
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    trials: list[Trial] = []
    began = monotonic()

    def attempt(trial: optuna.Trial) -> float:
        def suggest(name: str, reach: Range) -> Number:
            if reach.whole:
                return trial.suggest_int(name, int(reach.low), int(reach.high), log=reach.log)
            return trial.suggest_float(name, reach.low, reach.high, log=reach.log)

        picked = policy.pick(suggest)
        chosen = replace_hyperparameters(reviewed, picked) if trial.number else reviewed
        name = f"trial {trial.number}"
        with mlflow.start_run(run_name=name, nested=True, tags={"trial": str(trial.number)}):
            mlflow.log_params(chosen.model_dump())
            candidate = log_candidate(split, split.run(name, build(chosen)))
        trials.append(Trial(hyperparameters=chosen, candidate=candidate))
        if len(trials) == 1:
            expected = min(policy.trials * (monotonic() - began), policy.seconds)
            print(f"tuning: {policy.trials} trials will take about {expected / 60:.0f} minutes")
        if candidate.loss == min(each.candidate.loss for each in trials):
            print(f"tuning: {name} has the lowest {split.loss} so far, {candidate.loss:.4g}")
        return candidate.loss

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=policy.seed))
    values = reviewed.model_dump()
    study.enqueue_trial({name: values[name] for name in policy.search})
    study.optimize(attempt, n_trials=policy.trials, timeout=policy.seconds)
    if len(trials) < policy.trials:
        print(f"tuning: {policy.seconds:,} seconds were over after {len(trials)} trials")
    return trials


def propose_change(trials: Sequence[Trial], loss: str) -> None:
    """Log the best hyperparameters as a file, and print the change for review."""
    # Of equal trials the first is the best.
    number = min(range(len(trials)), key=lambda at: trials[at].candidate.loss)
    first, best = trials[0], trials[number]
    table = [{**t.hyperparameters.model_dump(), "loss": t.candidate.loss} for t in trials]
    mlflow.log_text(pd.DataFrame(table).to_csv(index_label="trial"), f"{FOLDER}/trials.csv")
    current = read_configuration("model")
    proposed = write_hyperparameters(current, best.hyperparameters)
    mlflow.log_text(proposed, f"{FOLDER}/model.yml")
    mlflow.set_tag("tuning_best_trial", str(number))
    if not number:
        print(
            f"tuning: none of {len(trials)} trials had a lower {loss} than {MODEL_FILE}; "
            "there is nothing to change."
        )
        return
    change = write_patch(current, proposed)
    mlflow.log_text(change, f"{FOLDER}/model.diff")
    unit = PROBLEM.model_type.require_loss(loss).unit
    losses = [format_figure(trial.candidate.loss, unit) for trial in (best, first)]
    print(
        f"tuning: trial {number} of {len(trials)} had the lowest {loss}, {losses[0]} "
        f"against {losses[1]} of {MODEL_FILE}. This run trains with {MODEL_FILE} unchanged. The "
        "best of many trials is optimistically biased; validate it: put this change into the "
        f"file, run model_training without tuning, and open a pull request.\n{change}"
    )
