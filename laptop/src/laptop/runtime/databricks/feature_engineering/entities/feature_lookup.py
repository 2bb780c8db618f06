"""The look-up under the name it has in databricks-feature-engineering."""

from laptop.features.lookup import FeatureLookup

__all__ = ["FeatureLookup"]
