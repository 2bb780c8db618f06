"""The two steps of the model that scikit-learn does not have.

A logged model must load where this project is not installed. So these classes are pickled by value
(`cloudpickle.register_pickle_by_value` on this module), and nothing here may import the project.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

Floats = npt.NDArray[np.float64]


class TypedColumns(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns a frame of any column order and loose types into a matrix of doubles.

    Numbers may come as integers, floats or objects with None, as they do from JSON. Categories
    become the positions they have in the sorted training values; missing ones, and ones that
    training had not seen, become NaN. Columns that training had not are ignored.
    """

    def __init__(self, categories: Sequence[str], numbers: Sequence[str]) -> None:
        self.categories = categories
        self.numbers = numbers

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:  # noqa: ARG002, N803
        """Learns the values of each category."""
        self._require_columns(X)
        self.levels_ = {
            column: pd.Index(sorted(X[column].dropna().unique()), dtype=object)
            for column in self.categories
        }
        return self

    def transform(self, X: pd.DataFrame) -> Floats:  # noqa: N803
        """Return a matrix of shape (rows, categories + numbers).

        Raises:
            ValueError: A column is missing, or a number is no number.
        """
        self._require_columns(X)
        matrix = np.empty((len(X), len(self.categories) + len(self.numbers)), dtype=np.float64)
        for position, column in enumerate(self.categories):
            levels = self.levels_[column].get_indexer(pd.Index(X[column], dtype=object))
            matrix[:, position] = np.where(levels < 0, np.nan, levels)
        for position, column in enumerate(self.numbers, start=len(self.categories)):
            numbers = pd.to_numeric(X[column])
            matrix[:, position] = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        return matrix

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:  # noqa: ARG002
        """Names the columns of the matrix."""
        return np.array([*self.categories, *self.numbers], dtype=object)

    def _require_columns(self, frame: pd.DataFrame) -> None:
        missing = [c for c in (*self.categories, *self.numbers) if c not in frame.columns]
        if missing:
            raise ValueError(
                f"the model needs the columns {missing}, got {list(frame.columns)}. "
                "Look features up by fe.score_batch or the endpoint, or add them to the frame."
            )


class Probability(BaseEstimator):  # type: ignore[misc]
    """A classifier of 0 and 1 whose `predict` gives the probability of 1."""

    def __init__(self, classifier: BaseEstimator) -> None:
        self.classifier = classifier

    def fit(self, X: Floats, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Fits the classifier to labels of which both 0 and 1 occur, and nothing else."""
        labels = np.asarray(y, dtype=np.float64)
        found = np.unique(labels)
        if not np.array_equal(found, [0.0, 1.0]):
            raise ValueError(
                f"labels must be 0 and 1 with both present, got {found[:5].tolist()}. "
                "Leave out rows without a label, and train on a longer window if one is absent."
            )
        self.classifier.fit(X, labels)
        self.classes_ = self.classifier.classes_
        return self

    def predict(self, X: Floats) -> Floats:  # noqa: N803
        """Return P(1) as one double a row."""
        probabilities: Floats = self.classifier.predict_proba(X)[:, 1]
        return probabilities
