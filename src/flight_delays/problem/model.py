"""The model of the sample problem and its heuristic baseline."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from .features import FEATURE_TABLES

SPINE_FEATURES = ("carrier", "origin", "dest")
CATEGORIES = SPINE_FEATURES + tuple(text for table in FEATURE_TABLES for text in table.categorical)
USUAL_LATE_SHARE = 0.24
FLIGHTS_THE_USUAL_COUNTS_FOR = 10.0


class Hyperparameters(BaseModel):
    """Hyperparameters of the gradient boosting, from conf/model.yml."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    learning_rate: float = Field(gt=0, le=1)
    max_iter: int = Field(ge=1, le=2000)
    max_leaf_nodes: int = Field(ge=2, le=1024)
    min_samples_leaf: int = Field(ge=1, le=10_000)
    l2_regularization: float = Field(ge=0)
    max_features: float = Field(gt=0, le=1)
    max_bins: int = Field(ge=2, le=255)
    random_state: int = Field(ge=0)


def build_model(hyperparameters: Hyperparameters) -> Pipeline:
    """Return the unfitted model.

    Categories are encoded as ordinals; unseen ones count as missing. There is no early stopping,
    so no rows are set aside and it trains for exactly `max_iter` rounds.
    """
    positions = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    classifier = HistGradientBoostingClassifier(
        **hyperparameters.model_dump(),
        categorical_features=list(range(len(CATEGORIES))),
        early_stopping=False,
    )
    return make_pipeline(
        ColumnTransformer([("positions", positions, list(CATEGORIES))], remainder="passthrough"),
        classifier,
    )


def heuristic_baseline(features: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the probability of a delay by a simple heuristic.

    It is the carrier's late share on the route over two weeks, smoothed by the origin's late share
    of the last three hours (24 % if nothing landed there), which counts as ten flights.
    """
    origin = _numbers(features, "origin_late_share_3h")
    usual = np.where(np.isnan(origin), USUAL_LATE_SHARE, origin)
    landed = np.nan_to_num(_numbers(features, "route_landed_14d"))
    late = landed * np.nan_to_num(_numbers(features, "route_late_share_14d"))
    weight = FLIGHTS_THE_USUAL_COUNTS_FOR
    return (late + weight * usual) / (landed + weight)


def _numbers(features: pd.DataFrame, column: str) -> npt.NDArray[np.float64]:
    return pd.to_numeric(features[column]).to_numpy(dtype=np.float64, na_value=np.nan)
