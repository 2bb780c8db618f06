"""Feature engineering on the laptop: the names of databricks-feature-engineering."""

from .client import FeatureEngineeringClient
from .entities.feature_function import FeatureFunction
from .entities.feature_lookup import FeatureLookup
from .entities.online_store import DatabricksOnlineStore

__all__ = [
    "DatabricksOnlineStore",
    "FeatureEngineeringClient",
    "FeatureFunction",
    "FeatureLookup",
]
