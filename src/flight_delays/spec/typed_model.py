"""A wrapper for the model of any problem, so that a plain scikit-learn one is enough.

A logged model must load where this project is not installed. So this module is pickled by value
(`cloudpickle.register_pickle_by_value`), and nothing here may import the project.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator

Floats = npt.NDArray[np.float64]


class TypedModel(BaseEstimator):  # type: ignore[misc]
    """A model that is given its columns in one order and type, and gives one double a row.

    The columns come in any order and loose types: numbers as integers, floats or objects with
    None, as they do from JSON. The model inside sees the categories as texts and the numbers as
    doubles, in that order, with NaN for what is missing, and no other columns.

    Args:
        model: An estimator of scikit-learn, or one like it.
        categories: Columns of texts.
        numbers: Columns of doubles.
        binary: Whether labels are 0 and 1, and predictions the probability of 1: what the model's
            `predict_proba` says, or else its `predict`.
    """

    def __init__(
        self, model: Any, categories: Sequence[str], numbers: Sequence[str], binary: bool
    ) -> None:
        self.model = model
        self.categories = categories
        self.numbers = numbers
        self.binary = binary

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Fit the model to rows that all have a label."""
        labels = np.asarray(y, dtype=np.float64)
        found = np.unique(labels)
        if self.binary and not np.array_equal(found, [0.0, 1.0]):
            raise ValueError(
                f"labels must be 0 and 1 with both present, got {found[:5].tolist()}. Leave out "
                "rows without a label, and train on a longer window if one is absent. Of more than "
                "two classes, predict one: 1 for it, 0 for all others; or a number, by regression."
            )
        self.model.fit(self._read(X), labels)
        return self

    def predict(self, X: pd.DataFrame) -> Floats:  # noqa: N803
        """Return one double a row.

        Raises:
            ValueError: A column is missing, or a number is no number.
        """
        columns = self._read(X)
        if self.binary and hasattr(self.model, "predict_proba"):
            return np.asarray(self.model.predict_proba(columns), dtype=np.float64)[:, 1]
        return np.asarray(self.model.predict(columns), dtype=np.float64).reshape(len(columns))

    def _read(self, frame: pd.DataFrame) -> pd.DataFrame:
        missing = [c for c in (*self.categories, *self.numbers) if c not in frame.columns]
        if missing:
            raise ValueError(
                f"the model needs the columns {missing}, got {list(frame.columns)}. "
                "Look features up by fe.score_batch or the endpoint, or add them to the frame."
            )
        texts = {c: frame[c].astype(object) for c in self.categories}
        columns: dict[str, Any] = {c: text.where(text.notna(), np.nan) for c, text in texts.items()}
        for column in self.numbers:
            numbers = pd.to_numeric(frame[column])
            columns[column] = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        return pd.DataFrame(columns, index=frame.index)
