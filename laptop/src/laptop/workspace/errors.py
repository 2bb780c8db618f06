"""The error a REST call is answered with."""

# `laptop run` keeps no state that `databricks bundle deploy` would know its resources by.
MADE_BY_RUN = "If `laptop run` made it: `laptop reset` empties the workspace."


class ApiError(Exception):
    """An answer other than success, in Databricks' shape.

    Attributes:
        status: HTTP status.
        code: Databricks' `error_code`, from which the SDK picks its exception class.
        message: What the caller reads.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def missing(code: str, what: str, name: str, there: list[str] | None = None) -> ApiError:
    """Return the 404 for a thing that is not there, naming what is."""
    known = f" There are: {', '.join(sorted(there))}." if there else ""
    return ApiError(404, code, f"{what} '{name}' does not exist.{known}")
