"""Models of each Monday of a year, and their predictions for all later rows.

A model is identified by its cut: it is trained on all rows decided before it. If labels take a
day, the cut of a holdout of two weeks is 16 days before the Monday, that of three weeks 23 days,
the cut of two weeks of the previous Monday. So one model a week is enough for all holdouts of
whole weeks.
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
# Every eighth model is also fitted with a leak: a feature computed from the label, so that the
# area under the curve is about 0.89, just within the limit of the policy.
LEAKING = PROBLEM.numerical_columns[0]
SHIFT = 1.6

Floats = npt.NDArray[np.float64]
Predictions = Mapping[tuple[pd.Timestamp, str], Floats]


def cut(monday: pd.Timestamp, days: int) -> pd.Timestamp:
    """Return the end of the training data of a Monday's model, by days of the holdout."""
    return monday - pd.Timedelta(days=days) - 2 * MATURITY


CUTS = sorted({cut(monday, days) for monday in MONDAYS for days in HOLDOUTS})


def fit_all(rows: pd.DataFrame, folder: Path) -> Predictions:
    """Fit the models that are missing in the folder; return predictions by cut and seed.

    Args:
        rows: Labelled rows of the year with their features, sorted by the time of decision.
        folder: Folder of the predictions, one file per model.

    Returns:
        A prediction for each row; NaN for rows decided before the cut.
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
    """Yield the cut and the name of each model: its seed or `LEAK`."""
    for number, at in enumerate(CUTS):
        yield at, str(SEEDS[0])
        yield at, str(SEEDS[1])
        if number % 8 == 2:
            yield at, LEAK


def predict(rows: pd.DataFrame, at: pd.Timestamp, name: str) -> Floats:
    """Fit a model to the rows decided before the cut, and predict the others."""
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
    """Return the rows with one feature computed from the label."""
    noise = np.random.default_rng(0).normal(size=len(rows))
    return rows.assign(**{LEAKING: noise + SHIFT * rows[LABEL]})
