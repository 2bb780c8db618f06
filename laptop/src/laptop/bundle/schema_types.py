"""Types of the bundle schema, and validation of values against them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .documents import Block, Text
from .errors import BundleError, Position
from .references import is_reference
from .values import name_kind, write_scalar


@dataclass(frozen=True)
class Scalar:
    """A scalar; `read` returns None for invalid values.

    Unknown choices are errors if `strict`, else warnings.
    """

    kind: str
    read: Callable[[Any], Any]
    choices: tuple[str, ...] = ()
    strict: bool = False


@dataclass(frozen=True)
class ListOf:
    """A list of items with the same schema."""

    item: "Shape"


@dataclass(frozen=True)
class MapOf:
    """A mapping of any keys to values with the same schema."""

    item: "Shape"


@dataclass(frozen=True)
class Record:
    """A mapping of known keys, some of them required."""

    fields: Mapping[str, "Shape"]
    required: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Anything:
    """A value that is not validated."""


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
    words = dict.fromkeys(("true", "yes", "y", "on"), True)
    words |= dict.fromkeys(("false", "no", "n", "off"), False)
    return words.get(str(value).lower()) if isinstance(value, bool | str) else None


TEXT = Scalar("text", write_scalar)
NUMBER = Scalar("a whole number", _read_number)
FLAG = Scalar("true or false", _read_flag)
ANYTHING = Anything()


Warn = Callable[[BundleError], object]
"""Takes what the CLI only warns of."""

_NOTHING: Any = object()
"""What is left of a value that the CLI leaves out."""


def choose(words: str, *, strict: bool = False) -> Scalar:
    """Return the schema of a text with the given choices."""
    return Scalar("text", write_scalar, tuple(words.split()), strict)


def conform(
    value: Any,
    shape: Shape,
    path: str,
    at: Position | None = None,
    *,
    warn: Warn,
    final: bool = False,
) -> Any:
    """Return a configuration as the CLI reads it, with numbers as text and the like converted.

    As in the CLI, values of another type and unknown keys are dropped with a warning.

    Args:
        value: the value; a single reference is kept unchanged.
        shape: its schema.
        path: its path in the configuration.
        at: its position in the file.
        warn: called with each warning.
        final: after the merge: required keys must exist, empty text is dropped.

    Raises:
        BundleError: a choice that the CLI refuses, or a resource without settings.
    """
    read = _conform(value, shape, path, at, warn, final)
    return Block() if read is _NOTHING else read


def _conform(
    value: Any, shape: Shape, path: str, at: Position | None, warn: Warn, final: bool
) -> Any:
    if isinstance(shape, Anything) or is_reference(value):
        return value
    if isinstance(shape, Scalar):
        return _conform_scalar(value, shape, path, at, warn)
    if isinstance(shape, ListOf):
        if not isinstance(value, list):
            return _leave_out("a list", value, path, at, warn)
        items = (
            _conform(item, shape.item, f"{path}[{index}]", _find_line(item) or at, warn, final)
            for index, item in enumerate(value)
            if item is not None or isinstance(shape.item, Scalar)
        )
        return [item for item in items if item is not _NOTHING]
    if not isinstance(value, Block):
        return _leave_out("a mapping", value, path, at, warn)
    read = Block(at=value.at)
    for key, item in value.items():
        line = value.at.get(key, at)
        if isinstance(shape, Record) and key not in shape.fields:
            if key not in value.anchors:
                where = path or "the bundle"
                warn(
                    BundleError(f"unknown field in {where}", got=key, allowed=shape.fields, at=line)
                )
            continue
        inner = shape.fields[key] if isinstance(shape, Record) else shape.item
        place = f"{path}.{key}" if path else key
        if item is None and not isinstance(inner, Scalar | Anything):
            if isinstance(shape, MapOf) and path.startswith("resources."):
                raise BundleError(f"{place} must be a mapping", got="nothing", at=line)
            continue
        item = _conform(item, inner, place, line, warn, final)
        empty = final and item == "" and isinstance(shape, Record) and key not in shape.required
        if item is not _NOTHING and not empty:
            read[key] = item
    if final and isinstance(shape, Record) and not shape.required <= read.keys():
        missing = ", ".join(sorted(shape.required - read.keys()))
        warn(BundleError(f"{path} lacks {missing}", at=at or _find_line(value)))
    return read


def _conform_scalar(value: Any, shape: Scalar, path: str, at: Position | None, warn: Warn) -> Any:
    read = shape.read(value)
    if read is None:
        return _leave_out(shape.kind, value, path, at, warn)
    if shape.choices and read not in shape.choices and "${" not in str(read):
        wrong = BundleError(f"{path} has an unknown value", got=read, allowed=shape.choices, at=at)
        if shape.strict:
            raise wrong
        warn(wrong)
    return read


def _leave_out(expected: str, value: Any, path: str, at: Position | None, warn: Warn) -> Any:
    got = value if isinstance(value, str | int | float) else name_kind(value)
    warn(BundleError(f"{path or 'the bundle'} must be {expected}", got=got, at=at))
    return _NOTHING


def _find_line(item: Any) -> Position | None:
    if isinstance(item, Block):
        return next(iter(item.at.values()), None)
    return item.at if isinstance(item, Text) else None
