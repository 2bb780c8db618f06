"""Errors that the command line reports as messages."""


class LaptopError(Exception):
    """An error that the command line prints as one message, without a traceback."""


class WorkspaceNotRunning(LaptopError):
    """No workspace is running for this state folder."""


class WorkspaceFailed(LaptopError):
    """The workspace process could not start, or returned an error."""
