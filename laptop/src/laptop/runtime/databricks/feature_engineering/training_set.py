"""TrainingSet under its module name in databricks-feature-engineering."""

from laptop.features.training import TrainingSet

__all__ = ["TrainingSet"]
