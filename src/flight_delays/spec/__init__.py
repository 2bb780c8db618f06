"""The types to declare a problem with."""

from ..evaluation.model_types import BINARY_CLASSIFICATION, Estimator, regression
from .column_rules import ColumnRule
from .problem import Label, Problem, Spine
from .refresh import Refresh
from .request_features import RequestFeature
from .tables import FeatureTable, Source

__all__ = [
    "BINARY_CLASSIFICATION",
    "Estimator",
    "FeatureTable",
    "Label",
    "Problem",
    "Refresh",
    "RequestFeature",
    "ColumnRule",
    "Source",
    "Spine",
    "regression",
]
