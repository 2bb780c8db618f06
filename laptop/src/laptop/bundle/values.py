"""Configuration values: merge, type names and text form."""

from typing import Any

from .documents import Block
from .errors import BundleError, Position


def merge(base: Any, override: Any, at: Position | None = None) -> Any:
    """Merge `override` into `base`: mappings by key, lists concatenated, scalars replaced."""
    if base is None:
        return override
    if override is None:
        return base
    if isinstance(base, Block) and isinstance(override, Block):
        merged = Block(base, {**override.at, **base.at})
        for key, value in override.items():
            merged[key] = merge(base.get(key), value, override.at.get(key))
        return merged
    if isinstance(base, list) and isinstance(override, list):
        return base + override
    if name_kind(base) != name_kind(override):
        raise BundleError(
            f"{name_kind(override)} cannot replace {name_kind(base)}", got=override, at=at
        )
    return override


def merge_by(key: str, items: list[Any]) -> list[Any]:
    """Merge a list's mappings with equal `key`, in order of first appearance."""
    merged: dict[Any, Any] = {}
    for item in items:
        name = item.get(key, "")
        merged[name] = merge(merged.get(name), item)
    return list(merged.values())


def name_kind(value: Any) -> str:
    """Return a value's type in the user's terms."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int):
        return "a whole number"
    if isinstance(value, float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "a mapping"


def write_scalar(value: Any) -> str | None:
    """Return a string, number or boolean as text; None for other types."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    return value if isinstance(value, str) else None
