"""Errors in the configuration of a bundle."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePosixPath


@dataclass(frozen=True)
class Position:
    """A line of a file; the path is relative to the bundle's root."""

    file: PurePosixPath
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class BundleError(Exception):
    """The bundle cannot be resolved.

    Attributes:
        what: the broken rule.
        got: the invalid key, name or value, or empty.
        allowed: the valid values; empty if they cannot be listed.
        advice: the next step for the user.
        file: the invalid file, relative to the bundle's root, or None.
        line: the line in that file, or None.
        brief: the message as one line, for warnings.
    """

    def __init__(
        self,
        what: str,
        *,
        got: object = "",
        allowed: Iterable[str] = (),
        advice: str = "",
        at: Position | None = None,
    ) -> None:
        self.what = what
        self.got = str(got)
        self.allowed = tuple(sorted(allowed))
        self.file = at.file if at else None
        self.line = at.line if at else None
        close = get_close_matches(self.got, self.allowed, n=1)
        self.advice = advice or (f"Did you mean {close[0]!r}?" if close else "")

        lines = [f"{at}: {what}" if at else what]
        if self.got:
            lines[0] += f", got {self.got!r}"
        if self.allowed:
            lines.append(f"Allowed: {', '.join(self.allowed)}.")
        if self.advice:
            lines.append(self.advice)
        super().__init__("\n  ".join(lines))
        # Warnings omit the allowed values: there may be fifty.
        self.brief = " ".join([lines[0] + ".", self.advice]).rstrip()
