"""What can be wrong with what a problem declares and reads."""

from collections.abc import Sequence


class SpecError(Exception):
    """Base of the errors of this package."""


class DeclarationError(SpecError):
    """What a problem declares does not hold together."""

    def __init__(self, what: str, *, got: str, allowed: str, remedy: str) -> None:
        self.what = what
        self.got = got
        self.allowed = allowed
        self.remedy = remedy
        super().__init__(f"{what}: got {got}; allowed: {allowed}. {remedy}")


class ColumnMissingError(SpecError):
    """What a source has read lacks columns that it declares."""

    def __init__(self, source: str, missing: Sequence[str], there: Sequence[str]) -> None:
        self.source = source
        self.missing = missing
        self.there = there
        super().__init__(
            f"{source}: what was read has no column {', '.join(missing)}; it has "
            f"{', '.join(there)}. Correct the source's `columns` or what its `read` gives."
        )
