"""Errors of streaming queries."""

from pyspark.errors.exceptions.connect import AnalysisException


class StreamRefused(AnalysisException):
    """A streaming query cannot start or continue."""

    def __init__(self, message: str) -> None:
        super().__init__(message=message)
