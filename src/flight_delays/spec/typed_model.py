"""A wrapper that adapts a scikit-learn estimator to the columns of a problem.

A logged model must load where this project is not installed. This module is therefore pickled by
value (`cloudpickle.register_pickle_by_value`) and must not import the project.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator

Floats = npt.NDArray[np.float64]


class TypedModel(BaseEstimator):  # type: ignore[misc]
    """A model that selects, orders and casts its columns and predicts one double per row.

    Columns may come in any order and with the loose types of JSON, such as integers or objects with
    None. The inner model gets categories as strings, then numbers as doubles, with NaN for missing
    values, and no other columns.

    Args:
        model: A scikit-learn (or compatible) estimator.
        categories: Categorical columns.
        numbers: Numerical columns.
        binary: Whether labels are 0 and 1. Predictions are then the probability of 1, by the
            model's `predict_proba` or, without one, its `predict`.
    """

    def __init__(
        self, model: Any, categories: Sequence[str], numbers: Sequence[str], binary: bool
    ) -> None:
        self.model = model
        self.categories = categories
        self.numbers = numbers
        self.binary = binary

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Fit the model; every row must have a label."""
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
        """Return one double per row.

        Raises:
            ValueError: A column is missing, or a value is not a number.
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
