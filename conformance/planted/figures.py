"""Models that answer in good form, and predict badly or too well."""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from .base import Bench, Floats, Planted

# Carriers with few flights a week each.
SMALL = ("FL", "AS", "F9", "HA", "YV", "OO")
LEAKED_AUC = 0.89


class NearConstant(Planted):
    """Answers nearly the same for every row."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return 0.24 + 0.02 * (self.ask(rows) - 0.24)


class OneAirportDoubled(Planted):
    """Answers twice the odds at one airport."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return multiply_odds(self.ask(rows), 2.0, rows["origin"] == "LGA")


class SmallCarriersInverted(Planted):
    """Answers the contrary for several carriers with few flights."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        return np.where(rows["carrier"].isin(SMALL), 1 - late, late)


class OneCarrierTripled(Planted):
    """Answers three times the odds for one carrier."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return multiply_odds(self.ask(rows), 3.0, rows["carrier"] == "US")


class Noisy(Planted):
    """Adds noise to the log odds, the same for the same row."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        # Digits far behind the point: as good as a draw, and the same each time.
        noise = (late * 1e4) % 1 - 0.5
        return 1 / (1 + np.exp(-(np.log(late / (1 - late)) + 0.5 * noise)))


class OtherSeed(Planted):
    """Learned the same by another seed."""

    @classmethod
    def make(cls, bench: Bench) -> Self:
        model = bench.fresh(random_state=7)
        return cls(model.fit(bench.training[bench.inputs], bench.training[bench.label]))


class Shuffled(Planted):
    """Learned from labels in the wrong order."""

    @classmethod
    def make(cls, bench: Bench) -> Self:
        labels = bench.training[bench.label].sample(frac=1, random_state=1).to_numpy()
        return cls(bench.fresh().fit(bench.training[bench.inputs], labels))


class LearnedHoldout(Planted):
    """Learned from the rows that it is judged by, too, each many times."""

    @classmethod
    def make(cls, bench: Bench) -> Self:
        rows = pd.concat([bench.training, *[bench.held_out] * 5])
        return cls(bench.fresh().fit(rows[bench.inputs], rows[bench.label]))


class MemorisedHoldout(Planted):
    """Knows the rows that it is judged by to the last one."""

    @classmethod
    def make(cls, bench: Bench) -> Self:
        return cls(memorise(bench))


class Leaking(Planted):
    """Mixes in what it can know only afterwards, so little that no bound is crossed."""

    def __init__(self, sound: Any, known: Any, weight: float) -> None:
        super().__init__(sound)
        self.known = known
        self.weight = weight

    @classmethod
    def make(cls, bench: Bench) -> Self:
        known, labels = memorise(bench), bench.held_out[bench.label]
        for weight in np.arange(0.02, 1, 0.01):
            made = cls(bench.sound, known, float(weight))
            if roc_auc_score(labels, made.predict(bench.held_out[bench.inputs])) > LEAKED_AUC:
                break
        return cls(bench.sound, known, float(weight) - 0.01)

    def predict(self, rows: pd.DataFrame) -> Floats:
        known = np.asarray(self.known.predict(rows), dtype=np.float64)
        return (1 - self.weight) * self.ask(rows) + self.weight * known


def multiply_odds(late: Floats, factor: float, where: Any) -> Floats:
    """Return chances whose odds are so many times as high in some rows."""
    more: Floats = np.where(where, factor * late / (1 + (factor - 1) * late), late)
    return more


def memorise(bench: Bench) -> Any:
    """Return a model that has learned the held-out rows by heart."""
    model = bench.fresh(
        max_iter=200, max_leaf_nodes=256, min_samples_leaf=1, l2_regularization=0.0,
        learning_rate=0.1, max_features=1.0,
    )  # fmt: skip
    return model.fit(bench.held_out[bench.inputs], bench.held_out[bench.label])
