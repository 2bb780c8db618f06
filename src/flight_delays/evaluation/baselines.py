"""Baseline models for any problem, by model type."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from .model_types import BINARY_CLASSIFICATION, Estimator, ModelType

# One-hot columns of a category; its rarer values share one.
CATEGORIES = 30
SEED = 0


class Baseline:
    """A scikit-learn estimator whose `predict` returns one double per row."""

    def __init__(
        self,
        columns: BaseEstimator,
        estimator: BaseEstimator,
        categorical: Sequence[str],
        numerical: Sequence[str],
    ) -> None:
        self.categorical = categorical
        self.numerical = numerical
        self._pipeline = make_pipeline(columns, estimator)
        self._empty: list[str] = []

    def fit(self, X: pd.DataFrame, y: pd.Series) -> "Baseline":  # noqa: N803
        """Fit to features and labels."""
        # Gradient boosting fails on a column without values.
        self._empty = [name for name in self.numerical if X[name].isna().all()]
        self._pipeline.fit(self._prepare(X), y)
        return self

    def predict(self, X: pd.DataFrame) -> npt.NDArray[np.float64]:  # noqa: N803
        """Return the probability of class 1, or the regression's prediction."""
        rows = self._prepare(X)
        if hasattr(self._pipeline, "predict_proba"):
            return np.asarray(self._pipeline.predict_proba(rows)[:, 1], dtype=np.float64)
        return np.asarray(self._pipeline.predict(rows), dtype=np.float64)

    def _prepare(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Convert categories to strings (missing: "") and numbers to doubles (missing: NaN)."""
        texts = {
            name: rows[name].astype(object).fillna("").astype(str) for name in self.categorical
        }
        numbers = {
            name: pd.to_numeric(rows[name]).to_numpy(dtype=np.float64, na_value=np.nan)
            for name in self.numerical
        }
        empty = dict.fromkeys(self._empty, 0.0)
        return pd.DataFrame({**texts, **numbers, **empty}, index=rows.index)


def build_baselines(
    model_type: ModelType, categorical: Sequence[str], numerical: Sequence[str]
) -> Mapping[str, Estimator]:
    """Return the unfitted baselines of a model type, by name."""
    texts, numbers = list(categorical), list(numerical)
    imputed = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )
    several = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=CATEGORIES)
    linear = ColumnTransformer([("numbers", imputed, numbers), ("texts", several, texts)])
    ordered = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, max_categories=CATEGORIES
    )
    trees = ColumnTransformer([("numbers", "passthrough", numbers), ("texts", ordered, texts)])
    estimators: Mapping[str, tuple[BaseEstimator, BaseEstimator]]
    if model_type.labels == BINARY_CLASSIFICATION.labels:
        estimators = {
            "mean of all": (trees, DummyClassifier(strategy="prior")),
            "logistic regression": (linear, LogisticRegression(max_iter=1000)),
            "gradient boosting": (trees, HistGradientBoostingClassifier(random_state=SEED)),
        }
    else:
        estimators = {
            "mean of all": (trees, DummyRegressor()),
            "ridge regression": (linear, Ridge()),
            "gradient boosting": (trees, HistGradientBoostingRegressor(random_state=SEED)),
        }
    return {
        name: Baseline(columns, estimator, texts, numbers)
        for name, (columns, estimator) in estimators.items()
    }
