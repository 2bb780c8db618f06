"""Models that answer something else than one finite double a row."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from .base import Planted


class Strings(Planted):
    """Answers texts."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return self.ask(rows).astype(str)


class TwoColumns(Planted):
    """Answers the chances of both classes, as `predict_proba` does."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        return np.column_stack([1 - late, late])


class Frame(Planted):
    """Answers a frame of one column."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return pd.DataFrame({"late": self.ask(rows)})


class Complex(Planted):
    """Answers complex numbers."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return self.ask(rows) + 0j


class Decimals(Planted):
    """Answers Python's decimals."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return [Decimal(str(each)) for each in self.ask(rows)]


class Objects(Planted):
    """Answers floats in an array of objects."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return self.ask(rows).astype(object)


class Whole(Planted):
    """Answers classes as whole numbers."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return (self.ask(rows) > 0.5).astype(np.int64)


class OneTooMany(Planted):
    """Answers a prediction more than there are rows."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return np.append(self.ask(rows), 0.5)


class Generator(Planted):
    """Answers a generator."""

    def predict(self, rows: pd.DataFrame) -> Iterator[float]:
        return (float(each) for each in self.ask(rows))


class Masked(Planted):
    """Masks answers that it is unsure of, with numbers underneath."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        return np.ma.masked_array(late, mask=np.abs(late - 0.5) < 0.1)


class Unsure(Planted):
    """Answers NaN for one slice."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return np.where(rows["carrier"] == "MQ", np.nan, self.ask(rows))


class Blank(Planted):
    """Answers NaN for every row."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return np.full(len(rows), np.nan)


class Infinite(Planted):
    """Answers infinity where it is fairly sure."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        return np.where(late > 0.4, np.inf, late)


class LogOdds(Planted):
    """Answers log odds, many of them negative."""

    def predict(self, rows: pd.DataFrame) -> Any:
        late = self.ask(rows)
        return np.log(late / (1 - late))


class Classes(Planted):
    """Answers 0 and 1 alone, as doubles."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return (self.ask(rows) > 0.5).astype(np.float64)


class Forgetful(Planted):
    """Answers NaN where no look-up has found a feature."""

    def predict(self, rows: pd.DataFrame) -> Any:
        numbers = rows.select_dtypes("number")
        return np.where(numbers.isna().all(axis=1), np.nan, self.ask(rows))


class Strict(Planted):
    """Raises where it meets a category that it does not know."""

    def predict(self, rows: pd.DataFrame) -> Any:
        if not rows["carrier"].isin(["9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ",
                                     "OO", "UA", "US", "VX", "WN", "YV"]).all():  # fmt: skip
            raise ValueError("an unknown carrier")
        return self.ask(rows)


class Single(Planted):
    """Answers single precision, which is allowed."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return self.ask(rows).astype(np.float32)


class Listed(Planted):
    """Answers a list of floats, which is allowed."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return self.ask(rows).tolist()


class Indexed(Planted):
    """Answers a Series in the rows' order, which is allowed."""

    def predict(self, rows: pd.DataFrame) -> Any:
        return pd.Series(self.ask(rows), index=rows.index)
