"""What streaming refuses."""

from pyspark.errors.exceptions.connect import AnalysisException


class StreamRefused(AnalysisException):
    """A query that cannot be started, or goes no further, as the client shows it."""

    def __init__(self, message: str) -> None:
        super().__init__(message=message)
