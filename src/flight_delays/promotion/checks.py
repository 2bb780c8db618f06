"""A check of a model version: what was found against what was expected."""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeGuard

from ..evaluation.model_types import format_figure


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was expected, what was found, and whether it is enough.

    Attributes:
        name: What was checked.
        ok: Whether it holds.
        value: The figure found; None where there is none.
        threshold: The figure expected; None where there is none.
        detail: One sentence for a person.
    """

    name: str
    ok: bool
    value: float | None = None
    threshold: float | None = None
    detail: str


def at_least(
    name: str, value: float | None, floor: float | None, *, unit: str = "", why: str = ""
) -> Check:
    """Return whether a figure reaches a floor; a missing figure or floor fails."""
    return _bound(name, value, floor, operator.ge, "at least", unit, why)


def at_most(
    name: str, value: float | None, ceiling: float | None, *, unit: str = "", why: str = ""
) -> Check:
    """Return whether a figure is within a ceiling; a missing figure or ceiling fails."""
    return _bound(name, value, ceiling, operator.le, "at most", unit, why)


def _bound(
    name: str,
    value: float | None,
    threshold: float | None,
    holds: Callable[[float, float], bool],
    words: str,
    unit: str,
    why: str,
) -> Check:
    found = value if is_figure(value) else None
    asked = threshold if is_figure(threshold) else None
    ok = found is not None and asked is not None and bool(holds(found, asked))
    if asked is None:
        detail = f"the policy's threshold is {threshold}; give a finite number"
    elif found is None:
        detail = f"not measured, expected {words} {format_figure(asked, unit)}"
    else:
        detail = f"{format_figure(found, unit)}, expected {words} {format_figure(asked, unit)}"
    if why and not ok:
        detail = f"{detail} ({why})"
    return Check(name=name, ok=ok, value=found, threshold=asked, detail=detail)


def is_figure(value: float | None) -> TypeGuard[float]:
    """Tell whether there is a finite number."""
    return value is not None and math.isfinite(value)
