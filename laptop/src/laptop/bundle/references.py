"""Parsing and resolution of `${…}` references."""

import re
from collections.abc import Callable
from typing import Any

from .documents import Block, Text
from .errors import BundleError, Position
from .values import name_kind, write_scalar

_NAME = r"[^\W\d_][^\W_]*(?:[-_]+[^\W_]+)*"
_REFERENCE = re.compile(rf"\$\{{({_NAME}(?:\.{_NAME}(?:\[[0-9]+\])*)*(?:\[[0-9]+\])*)\}}")
_ATTEMPT = re.compile(r"\$\{\s*(?:var|variables|bundle|workspace|resources)\b[^}]*\}?")

LookUp = Callable[[str, Position | None], Any]
"""Takes the text between the braces and its line; gives the value, or `LEAVE`."""

LEAVE: Any = object()
"""What a look-up answers for a reference that must stay as it is written."""


def is_reference(value: object) -> bool:
    """Return whether a value consists of a single reference."""
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def split(reference: str) -> list[str | int]:
    """Split `a.b[0].c` into its steps: `["a", "b", 0, "c"]`."""
    steps = re.findall(r"[^.\[\]]+|\[[0-9]+\]", reference)
    return [int(step[1:-1]) if step.startswith("[") else step for step in steps]


def step_into(value: Any, step: str | int) -> Any:
    """Return an item of a mapping or list; raise KeyError if it does not exist."""
    if isinstance(value, dict) and step in value:
        return value[step]
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    raise KeyError(step)


class Interpolation:
    """Replaces references in configuration, recursively."""

    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self._known: dict[str, Any] = {}

    def resolve(self, value: Any, inside: tuple[str, ...] = ()) -> Any:
        """Return `value` with all references replaced, at any depth.

        A text that is a single reference becomes the referenced value, of any type.

        Raises:
            BundleError: a reference is malformed, circular or not a scalar within a text.
        """
        if isinstance(value, str):
            return self._resolve_text(value, inside) if "${" in value else value
        if isinstance(value, list):
            return [self.resolve(item, inside) for item in value]
        if isinstance(value, dict):
            resolved = {key: self.resolve(item, inside) for key, item in value.items()}
            return Block(resolved, value.at) if isinstance(value, Block) else resolved
        return value

    def _resolve_text(self, text: str, inside: tuple[str, ...]) -> Any:
        at = getattr(text, "at", None)
        whole = _REFERENCE.fullmatch(text)
        if whole:
            value = self._find(whole[1], inside, at)
            if value is LEAVE:
                return text
            return Text(value, at) if at and isinstance(value, str) else value

        def replace(match: re.Match[str]) -> str:
            value = self._find(match[1], inside, at)
            written = match[0] if value is LEAVE else write_scalar(value)
            if written is None:
                what = f"{match[0]} is {name_kind(value)}, which cannot stand inside a longer text"
                raise BundleError(what, at=at)
            return written

        malformed = _ATTEMPT.search(_REFERENCE.sub("", text))
        if malformed:
            raise BundleError("a reference is malformed", got=malformed[0], at=at)
        resolved = _REFERENCE.sub(replace, text)
        return Text(resolved, at) if at else resolved

    def _find(self, reference: str, inside: tuple[str, ...], at: Position | None) -> Any:
        if reference in inside:
            cycle = " → ".join((*inside[inside.index(reference) :], reference))
            raise BundleError("references are circular", got=cycle, at=at)
        if reference not in self._known:
            value = self._look_up(reference, at)
            if value is not LEAVE:
                value = self.resolve(value, (*inside, reference))
            self._known[reference] = value
        return self._known[reference]
