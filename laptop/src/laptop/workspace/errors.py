"""Errors of the REST API."""

# `laptop run` keeps no bundle state, so `databricks bundle deploy` cannot find its resources.
MADE_BY_RUN = "If `laptop run` made it: `laptop reset` empties the workspace."


class ApiError(Exception):
    """An error response in Databricks' format.

    Attributes:
        status: HTTP status.
        code: Databricks' `error_code`, from which the SDK picks its exception class.
        message: Message for the caller.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def missing(code: str, what: str, name: str, there: list[str] | None = None) -> ApiError:
    """Return the 404 for a missing object; the message lists existing ones."""
    known = f" There are: {', '.join(sorted(there))}." if there else ""
    return ApiError(404, code, f"{what} '{name}' does not exist.{known}")
