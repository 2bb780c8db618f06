"""The kinds of value a bundle's configuration is made of, and how each is checked and read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .documents import Block, Text
from .errors import BundleError, Position
from .references import is_reference
from .values import name_kind, write_scalar


@dataclass(frozen=True)
class Scalar:
    """One value; `read` gives None for what it cannot be read from."""

    kind: str
    read: Callable[[Any], Any]
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class ListOf:
    """A list of one shape."""

    item: "Shape"


@dataclass(frozen=True)
class MapOf:
    """A mapping of free keys to one shape."""

    item: "Shape"


@dataclass(frozen=True)
class Record:
    """A mapping of known keys, of which some are required."""

    fields: Mapping[str, "Shape"]
    required: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Anything:
    """A value that is not looked into."""


Shape = Scalar | ListOf | MapOf | Record | Anything


def _read_number(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = int(value)
    except ValueError:
        return None
    return None if isinstance(value, float) and number != value else number


def _read_flag(value: Any) -> bool | None:
    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    return words.get(str(value).lower()) if isinstance(value, bool | str) else None


TEXT = Scalar("text", write_scalar)
NUMBER = Scalar("a whole number", _read_number)
FLAG = Scalar("true or false", _read_flag)
ANYTHING = Anything()


def choose(words: str) -> Scalar:
    """Return the shape of a text that must be one of the given words."""
    return Scalar("text", write_scalar, tuple(words.split()))


def conform(
    value: Any, shape: Shape, path: str, at: Position | None = None, *, final: bool = False
) -> Any:
    """Return a value as the CLI reads it: numbers written as text and the like put right.

    Args:
        value: the value; one that is a lone reference passes as it is.
        shape: what it must be.
        path: where it stands in the configuration.
        at: the line it stands on.
        final: everything is merged: required keys must be there, empty text is dropped.

    Raises:
        BundleError: the value is of another shape, or has an unknown key.
    """
    if isinstance(shape, Anything) or is_reference(value):
        return value
    if isinstance(shape, Scalar):
        return _conform_scalar(value, shape, path, at)
    if isinstance(shape, ListOf):
        if not isinstance(value, list):
            raise _mistake("a list", value, path, at)
        return [
            conform(item, shape.item, f"{path}[{index}]", _find_line(item) or at, final=final)
            for index, item in enumerate(value)
        ]
    if not isinstance(value, Block):
        raise _mistake("a mapping", value, path, at)
    read = Block(at=value.at)
    for key, item in value.items():
        line = value.at.get(key, at)
        if isinstance(shape, Record) and key not in shape.fields:
            where = path or "the bundle"
            raise BundleError(f"unknown key in {where}", got=key, allowed=shape.fields, at=line)
        inner = shape.fields[key] if isinstance(shape, Record) else shape.item
        if item is None and isinstance(shape, Record) and _may_be_hollow(inner):
            continue
        item = conform(item, inner, f"{path}.{key}" if path else key, line, final=final)
        if not (final and item == "" and isinstance(shape, Record) and key not in shape.required):
            read[key] = item
    if final and isinstance(shape, Record) and not shape.required <= read.keys():
        missing = ", ".join(sorted(shape.required - read.keys()))
        raise BundleError(f"{path} lacks {missing}", at=at or _find_line(value))
    return read


def _may_be_hollow(shape: Shape) -> bool:
    return not isinstance(shape, Scalar) and not getattr(shape, "required", ())


def _conform_scalar(value: Any, shape: Scalar, path: str, at: Position | None) -> Any:
    read = shape.read(value)
    if read is None:
        raise _mistake(shape.kind, value, path, at)
    if shape.choices and read not in shape.choices:
        raise BundleError(f"{path} has an unknown value", got=read, allowed=shape.choices, at=at)
    return read


def _mistake(expected: str, value: Any, path: str, at: Position | None) -> BundleError:
    got = value if isinstance(value, str | int | float) else name_kind(value)
    return BundleError(f"{path or 'the bundle'} must be {expected}", got=got, at=at)


def _find_line(item: Any) -> Position | None:
    if isinstance(item, Block):
        return next(iter(item.at.values()), None)
    return item.at if isinstance(item, Text) else None
