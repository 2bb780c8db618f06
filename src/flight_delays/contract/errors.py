"""What can be wrong with what a problem declares, what it reads, and its reviewed files."""

from collections.abc import Sequence


class ContractError(Exception):
    """Base of the errors of this package."""


class DeclarationError(ContractError):
    """What a problem declares does not hold together."""

    def __init__(self, what: str, *, got: str, allowed: str, remedy: str) -> None:
        self.what = what
        self.got = got
        self.allowed = allowed
        self.remedy = remedy
        super().__init__(f"{what}: got {got}; allowed: {allowed}. {remedy}")


class ConfigurationError(ContractError):
    """A file under conf/ is missing, unreadable or says something that is not allowed."""

    def __init__(self, file: str, problem: str, following: str) -> None:
        self.file = file
        self.problem = problem
        self.following = following
        super().__init__(f"conf/{file}: {problem} {following}")


class ColumnMissingError(ContractError):
    """What a source has read lacks columns that it declares."""

    def __init__(self, source: str, missing: Sequence[str], there: Sequence[str]) -> None:
        self.source = source
        self.missing = missing
        self.there = there
        super().__init__(
            f"{source}: what was read has no column {', '.join(missing)}; it has "
            f"{', '.join(there)}. Correct the source's `columns` or what its `read` gives."
        )
