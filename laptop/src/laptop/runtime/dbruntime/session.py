"""A `spark` that opens its session when it is first used."""

from typing import Any


class LazySession:
    """Stands for the task's one Spark Connect session, also to `isinstance`."""

    def __init__(self) -> None:
        self._session: Any = None

    def _open(self) -> Any:
        if self._session is None:
            from laptop.streaming import commands
            from pyspark.sql import SparkSession

            commands.install()
            # The one that `SparkSession.builder` gives to whoever asks there.
            self._session = SparkSession.builder.getOrCreate()
        return self._session

    def __getattr__(self, name: str) -> Any:
        """Pass everything on to the session."""
        return getattr(self._open(), name)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """Be what the session is."""
        from pyspark.sql.connect.session import SparkSession

        return SparkSession
