"""Models of each Monday of a year, and what they predict for all rows that came later.

A model is known by its cut: it has learned from all that was decided before it. With a label that
takes a day, the model of a Monday that holds out two weeks is cut 16 days before, one that holds
out three weeks 23 days before: the first model of the Monday a week earlier. So one model a week
serves every holdout of whole weeks.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from flight_delays.config.loading import load_configuration
from flight_delays.problem import PROBLEM

DECIDED, LABEL, INPUTS = (
    PROBLEM.spine.decision_at,
    PROBLEM.label.column,
    list(PROBLEM.feature_columns),
)
MONDAYS = pd.date_range("2013-03-04", "2013-12-30", freq="7D")
MATURITY = pd.Timedelta(days=1)
HOLDOUTS = (14, 21, 28)
SEEDS = (0, 1)
LEAK = "leak"
# Every eighth model is also fitted with a leak: an input that knows the label, so that the area
# under the curve is about 0.89, just within what the policy allows.
LEAKING = PROBLEM.numerical_columns[0]
SHIFT = 1.6

Floats = npt.NDArray[np.float64]
Predictions = Mapping[tuple[pd.Timestamp, str], Floats]


def cut(monday: pd.Timestamp, days: int) -> pd.Timestamp:
    """Return what a model of a Monday has learned until, by the days of its holdout."""
    return monday - pd.Timedelta(days=days) - 2 * MATURITY


CUTS = sorted({cut(monday, days) for monday in MONDAYS for days in HOLDOUTS})


def fit_all(rows: pd.DataFrame, folder: Path) -> Predictions:
    """Fit what the folder does not have yet, and return predictions by cut and seed.

    Args:
        rows: The labelled rows of the year with their features, by the time of decision.
        folder: Keeps the predictions, a file a model.

    Returns:
        A prediction for each row; NaN for those decided before the cut.
    """
    folder.mkdir(exist_ok=True)
    predictions = {}
    for at, name in list_models():
        file = folder / f"{at:%Y-%m-%d}-{name}.npy"
        if not file.exists():
            np.save(file, predict(leak(rows) if name == LEAK else rows, at, name))
            print(f"fitted {file.stem}", flush=True)
        predictions[at, name] = np.load(file)
    return predictions


def list_models() -> Iterator[tuple[pd.Timestamp, str]]:
    """Yield cut and name of each model: its seed, or that it leaks."""
    for number, at in enumerate(CUTS):
        yield at, str(SEEDS[0])
        yield at, str(SEEDS[1])
        if number % 8 == 2:
            yield at, LEAK


def predict(rows: pd.DataFrame, at: pd.Timestamp, name: str) -> Floats:
    """Fit to what was decided before the cut, and predict the others."""
    hyperparameters = load_configuration("model", PROBLEM.hyperparameters)
    if name != LEAK:
        hyperparameters = hyperparameters.model_copy(update={"random_state": int(name)})
    before = (rows[DECIDED] < at).to_numpy()
    model = PROBLEM.build_estimator(hyperparameters)
    model.fit(rows.loc[before, INPUTS], rows.loc[before, LABEL])
    predicted = np.full(len(rows), np.nan)
    predicted[~before] = model.predict(rows.loc[~before, INPUTS])
    return predicted


def leak(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with an input that knows the label."""
    noise = np.random.default_rng(0).normal(size=len(rows))
    return rows.assign(**{LEAKING: noise + SHIFT * rows[LABEL]})
