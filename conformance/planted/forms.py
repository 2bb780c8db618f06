"""Models whose output is not one finite double per row, and valid variants."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Self

import numpy as np
import pandas as pd

from .base import Bench, Planted


class Strings(Planted):
    """Returns strings."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return self.ask(rows).astype(str)


class TwoColumns(Planted):
    """Returns the probabilities of both classes, like `predict_proba`."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        return np.column_stack([1 - late, late])


class Frame(Planted):
    """Returns a data frame with one column."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return pd.DataFrame({"late": self.ask(rows)})


class Complex(Planted):
    """Returns complex numbers."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return self.ask(rows) + 0j


class Decimals(Planted):
    """Returns Python decimals."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return [Decimal(str(each)) for each in self.ask(rows)]


class Objects(Planted):
    """Returns floats in an object array."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return self.ask(rows).astype(object)


class Whole(Planted):
    """Returns classes as integers."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return (self.ask(rows) > 0.5).astype(np.int64)


class OneTooMany(Planted):
    """Returns one prediction too many."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return np.append(self.ask(rows), 0.5)


class Generator(Planted):
    """Returns a generator."""

    def predict(self, rows: pd.DataFrame) -> Iterator[float]:
        return (float(each) for each in self.ask(rows))


class Masked(Planted):
    """Returns a masked array with uncertain predictions masked."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        return np.ma.masked_array(late, mask=np.abs(late - 0.5) < 0.1)


class Unsure(Planted):
    """Returns NaN for one slice."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return np.where(rows["carrier"] == "MQ", np.nan, self.ask(rows))


class Blank(Planted):
    """Returns NaN for every row."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return np.full(len(rows), np.nan)


class Infinite(Planted):
    """Returns infinity for high predictions."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        return np.where(late > 0.4, np.inf, late)


class LogOdds(Planted):
    """Returns log odds, many of them negative."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        return np.log(late / (1 - late))


class Classes(Planted):
    """Returns only 0 and 1, as doubles."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return (self.ask(rows) > 0.5).astype(np.float64)


class Forgetful(Planted):
    """Returns NaN for rows without looked-up features."""

    def predict(self, rows: pd.DataFrame) -> Any:
        numbers = rows.select_dtypes("number")
        return np.where(numbers.isna().all(axis=1), np.nan, self.ask(rows))


class Strict(Planted):
    """Raises an error for unknown categories."""

    def predict(self, rows: pd.DataFrame) -> Any:
        if not rows["carrier"].isin(["9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ",
                                     "OO", "UA", "US", "VX", "WN", "YV"]).all():  # fmt: skip
            raise ValueError("an unknown carrier")
        return self.ask(rows)


class NewDestination(Planted):
    """Knows what to do with a new carrier, and fails for a new destination of a known one."""

    def __init__(self, sound: Any, known: pd.DataFrame) -> None:
        super().__init__(sound)
        self.carriers = set(known["carrier"])
        self.moves = dict.fromkeys(known["dest"], 0.0)

    @classmethod
    def make(cls, bench: Bench) -> Self:
        return cls(bench.sound, pd.concat([bench.training, bench.held_out]))

    def predict(self, rows: pd.DataFrame) -> Any:
        late, known = self.ask(rows), rows["carrier"].isin(self.carriers).to_numpy()
        late[known] += [self.moves[dest] for dest in rows["dest"][known]]
        return np.where(known, late, 0.24)


class Single(Planted):
    """Returns single precision, which is allowed."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return self.ask(rows).astype(np.float32)


class Listed(Planted):
    """Returns a list of floats, which is allowed."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return self.ask(rows).tolist()


class Indexed(Planted):
    """Returns a Series, which an endpoint returns as a list of objects."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return pd.Series(self.ask(rows), index=rows.index)
