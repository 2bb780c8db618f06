"""Databricks Connect on the laptop: every session is the workspace's."""

from typing import Any

from laptop.streaming import commands
from pyspark.sql import SparkSession

__all__ = ["DatabricksSession"]


class DatabricksSession:
    """Entry point for sessions; cluster, host, profile and serverless are ignored."""

    class Builder:
        """Accepts any setting."""

        def getOrCreate(self) -> SparkSession:  # noqa: N802
            """Return the session of the workspace."""
            commands.install()
            return SparkSession.builder.getOrCreate()

        create = getOrCreate

        def __getattr__(self, name: str) -> Any:
            """Accept and ignore a connection setting."""
            if name.startswith("__"):
                raise AttributeError(name)
            return lambda *_, **__: self

    builder = Builder()
