"""What can go wrong before or around a run, in words a person can act on."""


class LaptopError(Exception):
    """Anything the command line shows as one message instead of a traceback."""


class WorkspaceNotRunning(LaptopError):
    """No workspace answers for this state folder."""


class WorkspaceFailed(LaptopError):
    """The workspace process could not start, or answered an error."""
