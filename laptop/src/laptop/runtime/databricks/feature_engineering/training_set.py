"""The training set under the name it has in databricks-feature-engineering."""

from laptop.features.training import TrainingSet

__all__ = ["TrainingSet"]
