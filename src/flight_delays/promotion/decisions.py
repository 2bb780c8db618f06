"""What can be decided about a model version, each with its reason."""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from ..errors import UnusableInputError
from .checks import Check

# Unity Catalog's limit for the value of a tag.
REASON_LIMIT = 1000


@dataclass(frozen=True)
class Reasoned:
    """A decision and why it was taken.

    Attributes:
        reason: One line, cut to what a tag of Unity Catalog holds.
    """

    reason: str

    def __post_init__(self) -> None:
        """Bring the reason to one line.

        Raises:
            UnusableInputError: There is no reason.
        """
        line = " ".join(self.reason.split())
        if not line:
            raise UnusableInputError(
                "reason",
                got="a blank one",
                allowed="a line of text",
                remedy="Say why this was decided.",
            )
        if len(line) > REASON_LIMIT:
            line = f"{line[: REASON_LIMIT - 3]}..."
        object.__setattr__(self, "reason", line)


@dataclass(frozen=True)
class Promote(Reasoned):
    """The challenger becomes champion."""

    label: ClassVar[str] = "promote"


@dataclass(frozen=True)
class Keep(Reasoned):
    """The champion stays.

    Attributes:
        already_champion: The challenger is that champion: nothing was compared.
    """

    label: ClassVar[str] = "keep"

    already_champion: bool = False


@dataclass(frozen=True)
class Reject(Reasoned):
    """The challenger may not be promoted."""

    label: ClassVar[str] = "reject"


@dataclass(frozen=True)
class Passed(Reasoned):
    """Every check holds.

    Attributes:
        checks: All that was checked.
    """

    status: ClassVar[str] = "PASSED"

    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Failed(Reasoned):
    """At least one check does not hold.

    Attributes:
        checks: All that was checked, what holds included.
    """

    status: ClassVar[str] = "FAILED"

    checks: tuple[Check, ...]


Decision: TypeAlias = Promote | Keep | Reject
Verdict: TypeAlias = Passed | Failed
