"""Errors of declarations, windows and measurements."""

from collections.abc import Sequence
from datetime import datetime


class RefusedValueError(ValueError):
    """A value is invalid; the message has what was found, what is allowed, and what to do."""

    def __init__(self, what: str, *, got: str, allowed: str, remedy: str) -> None:
        super().__init__(f"{what}: got {got}; allowed: {allowed}. {remedy}")


class UnusableInputError(RefusedValueError):
    """An input cannot be used for a measurement or decision."""


class DeclarationError(RefusedValueError):
    """The declarations of a problem are inconsistent."""


class InstantWithoutZoneError(ValueError):
    """An instant has no time zone."""

    def __init__(self, name: str, got: datetime) -> None:
        super().__init__(
            f"{name} must be an instant with a time zone, got {got!r}. "
            "Pass it with tzinfo, for example datetime(2013, 11, 1, tzinfo=UTC)."
        )


class WindowError(ValueError):
    """A time window is empty."""

    def __init__(self, name: str, start: datetime, end: datetime) -> None:
        super().__init__(
            f"the {name} interval must start before it ends, got [{start}, {end}). "
            "Give a later as_of or another window in conf/policy.yml."
        )


class ColumnMissingError(ValueError):
    """A source's rows lack declared columns."""

    def __init__(self, source: str, missing: Sequence[str], there: Sequence[str]) -> None:
        super().__init__(
            f"{source}: the rows that were read have no column {', '.join(missing)}; they have "
            f"{', '.join(there)}. Correct the source's `columns` or what its `read` returns."
        )
