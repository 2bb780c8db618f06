"""The feature table under the name it has in databricks-feature-engineering."""

from laptop.features.tables import FeatureTable

__all__ = ["FeatureTable"]
