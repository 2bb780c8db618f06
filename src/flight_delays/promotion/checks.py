"""Checks of a model version."""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeGuard

from ..evaluation.model_types import format_figure


@dataclass(frozen=True, kw_only=True)
class Check:
    """The result of a check.

    Attributes:
        name: Its name.
        ok: Whether it passed.
        value: The measured value; None if there is none.
        threshold: The threshold; None if there is none.
        detail: One sentence of explanation.
    """

    name: str
    ok: bool
    value: float | None = None
    threshold: float | None = None
    detail: str


def at_least(
    name: str, value: float | None, floor: float | None, *, unit: str = "", why: str = ""
) -> Check:
    """Check that a figure is at least `floor`; a missing figure or floor fails."""
    return _bound(name, value, floor, operator.ge, "at least", unit, why)


def at_most(
    name: str, value: float | None, ceiling: float | None, *, unit: str = "", why: str = ""
) -> Check:
    """Check that a figure is at most `ceiling`; a missing figure or ceiling fails."""
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
    """Return whether a value is a finite number."""
    return value is not None and math.isfinite(value)
