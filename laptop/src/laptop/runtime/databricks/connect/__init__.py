"""Databricks Connect on the laptop: each way to a session leads to the workspace's own."""

from typing import Any

from laptop.streaming import commands
from pyspark.sql import SparkSession

__all__ = ["DatabricksSession"]


class DatabricksSession:
    """Where task code asks for a session; cluster, host, profile and serverless are ignored."""

    class Builder:
        """Takes any setting."""

        def getOrCreate(self) -> SparkSession:  # noqa: N802
            """Return the session of the workspace."""
            commands.install()
            return SparkSession.builder.getOrCreate()

        create = getOrCreate

        def __getattr__(self, name: str) -> Any:
            """Take a setting that says where to go."""
            if name.startswith("__"):
                raise AttributeError(name)
            return lambda *_, **__: self

    builder = Builder()
