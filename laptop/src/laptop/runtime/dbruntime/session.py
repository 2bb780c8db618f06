"""A `spark` that opens its session on first use."""

from typing import Any


class LazySession:
    """Proxy of the task's Spark Connect session; also passes `isinstance`."""

    def __init__(self) -> None:
        self._session: Any = None

    def _open(self) -> Any:
        if self._session is None:
            from laptop.streaming import commands
            from pyspark.sql import SparkSession

            commands.install()
            # The same session as from `SparkSession.builder` elsewhere.
            self._session = SparkSession.builder.getOrCreate()
        return self._session

    def __getattr__(self, name: str) -> Any:
        """Forward the attribute to the session."""
        return getattr(self._open(), name)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """Return the session's class."""
        from pyspark.sql.connect.session import SparkSession

        return SparkSession
