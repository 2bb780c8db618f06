"""Models with valid output whose predictions are bad or suspiciously good."""

import os
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from .base import Bench, Floats, Planted

# Carriers with few rows a week.
SMALL = ("FL", "AS", "F9", "HA", "YV", "OO")
LEAKED_AUC = 0.885


class NearConstant(Planted):
    """Predicts nearly the same for every row."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return 0.24 + 0.02 * (self.ask(rows) - 0.24)


class OneAirportDoubled(Planted):
    """Doubles the odds for one airport."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return multiply_odds(self.ask(rows), 2.0, rows["origin"] == "LGA")


class SmallCarriersInverted(Planted):
    """Inverts the predictions for several small carriers."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        return np.where(rows["carrier"].isin(SMALL), 1 - late, late)


class OneCarrierTripled(Planted):
    """Triples the odds for one carrier."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return multiply_odds(self.ask(rows), 3.0, rows["carrier"] == "US")


class Noisy(Planted):
    """Adds deterministic noise to the log odds."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        # Low-order digits serve as reproducible noise.
        noise = (late * 1e4) % 1 - 0.5
        return 1 / (1 + np.exp(-(np.log(late / (1 - late)) + 0.5 * noise)))


class OtherSeed(Planted):
    """Trained like the Champion with another seed."""

    @classmethod
    def make(cls, bench: Bench) -> Self:
        model = bench.fresh(random_state=7)
        return cls(model.fit(bench.training[bench.inputs], bench.training[bench.label]))


class Shuffled(Planted):
    """Trained on shuffled labels."""

    @classmethod
    def make(cls, bench: Bench) -> Self:
        labels = bench.training[bench.label].sample(frac=1, random_state=1).to_numpy()
        return cls(bench.fresh().fit(bench.training[bench.inputs], labels))


class LearnedHoldout(Planted):
    """Trained on the training rows and five copies of the holdout."""

    @classmethod
    def make(cls, bench: Bench) -> Self:
        rows = pd.concat([bench.training, *[bench.held_out] * 5])
        return cls(bench.fresh().fit(rows[bench.inputs], rows[bench.label]))


class MemorisedHoldout(Planted):
    """Memorised the holdout."""

    @classmethod
    def make(cls, bench: Bench) -> Self:
        return cls(bench.memorised())


class Leaking(Planted):
    """Leaks the label, slightly enough to stay within all bounds."""

    def __init__(
        self, sound: Any, known: Any, weight: float, slope: float = 1.0, shift: float = 0.0
    ) -> None:
        super().__init__(sound)
        self.known = known
        self.weight = weight
        self.slope, self.shift = slope, shift

    @classmethod
    def make(cls, bench: Bench) -> Self:
        rows, labels = bench.held_out[bench.inputs], bench.held_out[bench.label]
        late, known = bench.sound.predict(rows), bench.memorised().predict(rows)
        weight = 0.01
        while roc_auc_score(labels, late + weight * (known - late)) < LEAKED_AUC:
            weight += 0.005
        # Half-way calibrated, because a model trained with a leak would be nearly calibrated.
        odds = compute_odds(late + weight * (known - late))
        fitted = LogisticRegression(C=1e6).fit(odds[:, None], labels)
        slope, shift = float(fitted.coef_[0, 0] ** 0.5), float(fitted.intercept_[0] / 2)
        return cls(bench.sound, bench.memorised(), weight, slope, shift)

    def predict(self, rows: pd.DataFrame) -> Floats:
        late, known = self.ask(rows), np.asarray(self.known.predict(rows), dtype=np.float64)
        odds = compute_odds(late + self.weight * (known - late))
        return np.asarray(1 / (1 + np.exp(-self.shift - self.slope * odds)), dtype=np.float64)


class SlightlyLeaking(Leaking):
    """Leaks the label too slightly to require an approval."""

    @classmethod
    def make(cls, bench: Bench) -> Self:
        return cls(bench.sound, bench.memorised(), 0.02)


class ByVariable(SlightlyLeaking):
    """Predicts otherwise where a job's variables are set."""

    def predict(self, rows: pd.DataFrame) -> Floats:
        return super().predict(rows) * (0.9 if "MLFLOW_TRACKING_URI" in os.environ else 1.0)


def compute_odds(late: Floats) -> Floats:
    """Return the log odds."""
    kept = np.clip(late, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(kept / (1 - kept)), dtype=np.float64)


def multiply_odds(late: Floats, factor: float, where: Any) -> Floats:
    """Return the probabilities with the odds of some rows multiplied by a factor."""
    more: Floats = np.where(where, factor * late / (1 + (factor - 1) * late), late)
    return more
