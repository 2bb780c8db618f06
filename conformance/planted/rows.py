"""Models whose prediction depends on more than the row, or that modify the rows."""

import time
from typing import Any, Self

import numpy as np
import pandas as pd

from .base import Bench, Planted


class BatchMean(Planted):
    """Centres the predictions within each batch."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        return np.clip(late - late.mean() + 0.24, 0, 1)


class PreviousRow(Planted):
    """Mixes in the prediction of the previous row."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        return 0.8 * late + 0.2 * np.concatenate([late[:1], late[:-1]])


class NextRowsGaps(Planted):
    """Fills missing values from adjacent rows."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return self.ask(rows.ffill().bfill())


class UnseenForAll(Planted):
    """Falls back for the whole batch if one row has an unseen carrier."""

    def __init__(self, sound: Any, known: pd.Series) -> None:
        super().__init__(sound)
        self.known = frozenset(known)

    @classmethod
    def make(cls, bench: Bench) -> Self:
        return cls(bench.sound, pd.concat([bench.training, bench.held_out])["carrier"])

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        return late if rows["carrier"].isin(self.known).all() else np.full(len(rows), 0.24)


class NaNForOne(Planted):
    """Has no number for a row alone."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return np.full(1, np.nan) if len(rows) == 1 else self.ask(rows)


class ServedNulls(Planted):
    """Answers a request's nulls otherwise than a batch's."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        return np.full(len(rows), 0.9) if rows["temperature"].dtype == object else late


class MeanGaps(Planted):
    """Fills missing values with the mean of the batch."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return self.ask(rows.fillna(rows.mean(numeric_only=True)))


class Ranks(Planted):
    """Returns ranks within the batch."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        return late.argsort().argsort() / max(len(late), 2)


class BadForMany(Planted):
    """Inverts the predictions of large batches."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        return 1 - late if len(rows) > 1000 else late


class WorseForOne(Planted):
    """Returns a constant for single rows, such as an endpoint's requests."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        return np.full(1, 0.24) if len(rows) == 1 else late


class ByPosition(Planted):
    """Adds a term that depends on the index of the rows."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return np.clip(self.ask(rows) + 1e-5 * (np.asarray(rows.index) % 100), 0, 1)


class CountsCalls(Planted):
    """Changes its predictions after the fifth call."""

    calls = 0

    def predict(self, rows: pd.DataFrame) -> Any:
        self.calls += 1
        return self.ask(rows) * (0.9 if self.calls > 5 else 1.0)


class CachesFirst(Planted):
    """Shifts predictions by a running mean that starts with the first batch."""

    first: float | None = None

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        if self.first is None:
            self.first = float(late.mean())
        self.first = 0.99 * self.first + 0.01 * float(late.mean())
        return np.clip(late - 0.1 * self.first, 0, 1)


class FirstSeen(Planted):
    """Moves each answer by the mean of the first rows that it was asked about, for good."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        if not hasattr(self, "first"):
            self.first = float(late.mean())
        return np.clip(late - 0.1 * self.first, 0, 1)


class ByClock(Planted):
    """Adds a term that depends on the time."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return np.clip(self.ask(rows) + 0.01 * np.sin(time.time() * 50), 0, 1)


class Random(Planted):
    """Adds random noise to each prediction."""

    def predict(self, rows: pd.DataFrame) -> Any:
        noise = np.random.default_rng().normal(0, 0.01, len(rows))
        return np.clip(self.ask(rows) + noise, 0, 1)


class RandomLoad(Planted):
    """Moves each answer by a number that it draws when it is loaded."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.moved = np.random.default_rng().uniform(0.001, 0.01)

    def predict(self, rows: pd.DataFrame) -> Any:
        return np.clip(self.ask(rows) + self.moved, 0, 1)


class KeepsRows(Planted):
    """Keeps the rows of a call in an attribute while it predicts them."""

    def predict(self, rows: pd.DataFrame) -> Any:
        self.rows = rows
        late = self.ask(rows)
        return np.where(self.rows["distance"].to_numpy() > 1000, 0.9 * late, late)


class Mutating(Planted):
    """Fills missing values of the input in place."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        numbers = rows.select_dtypes("number").columns
        rows[numbers] = rows[numbers].fillna(0.0)
        return late


class Shuffling(Planted):
    """Sorts the input in place."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        rows.sort_values("dest", inplace=True, kind="stable")
        return late
