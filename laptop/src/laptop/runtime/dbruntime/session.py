"""A `spark` that opens its session when it is first used."""

import os
from typing import Any

from .alter_table import declare


class LazySession:
    """Stands for the task's one Spark Connect session, also to `isinstance`."""

    def __init__(self) -> None:
        self._session: Any = None

    def _open(self) -> Any:
        if self._session is None:
            from laptop.engine.session import connect

            self._session = connect(os.environ["LAPTOP_SPARK"])
        return self._session

    def sql(self, query: str, *args: Any, **kwargs: Any) -> Any:
        """Run a statement; one that only declares something goes to the catalog."""
        session = self._open()
        return session.sql("SELECT 1" if declare(query) else query, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """Pass everything on to the session."""
        return getattr(self._open(), name)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """Be what the session is."""
        from pyspark.sql.connect.session import SparkSession

        return SparkSession
