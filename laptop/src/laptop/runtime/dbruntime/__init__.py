"""The names that a Databricks Runtime adds to a task's namespace, for the laptop workspace.

On import, `databricks.sdk.runtime` copies the names from `UserNamespaceInitializer`. This happens
before a task is forked, so nothing here opens a connection on import.
"""

from typing import Any

from .dbutils import DbUtils
from .session import LazySession


class UserNamespaceInitializer:
    """The hook that `databricks.sdk.runtime` looks for."""

    _instance: "UserNamespaceInitializer | None" = None

    @classmethod
    def getOrCreate(cls) -> "UserNamespaceInitializer":  # noqa: N802
        """Return the one instance."""
        if cls._instance is None:
            cls._instance = cls()
        return cls._instance

    def __init__(self) -> None:
        spark = LazySession()
        self._globals = {
            "spark": spark,
            "dbutils": DbUtils(),
            "sql": lambda *args, **kwargs: spark.sql(*args, **kwargs),
            "table": lambda name: spark.table(name),
            "display": print,
        }

    def get_namespace_globals(self) -> dict[str, Any]:
        """Return the objects by name."""
        return self._globals
