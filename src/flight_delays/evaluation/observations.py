"""Validation of labels and predictions."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UnusableInputError

FloatArray = NDArray[np.float64]


def as_vector(what: str, values: ArrayLike) -> FloatArray:
    """Return one double per row; missing values become NaN.

    Raises:
        UnusableInputError: The values are not numbers, not one-dimensional, or empty.
    """
    try:
        raw = np.asarray(values)
        found = _describe_values(raw)
        vector = None if found else np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        found, vector = f"values that are not numbers ({error})", None
    if vector is None:
        raise UnusableInputError(
            what,
            got=found,
            allowed="one number a row, of a type such as double",
            remedy="Return numbers from predict, or convert the column in problem/.",
        )
    if vector.ndim != 1 or vector.size == 0:
        columns = f"{vector.shape[1]} columns, " if vector.ndim == 2 else ""
        raise UnusableInputError(
            what,
            got=f"{columns}an array of shape {vector.shape}" if vector.size else "no rows",
            allowed="one dimension with at least one row",
            remedy="Give one number a row: of probabilities by class, the column of label 1."
            if vector.size
            else "Give a later as_of or a longer window, so that there are rows.",
        )
    return vector


def as_labels(values: ArrayLike, allowed: frozenset[float] | None) -> FloatArray:
    """Return the labels as doubles.

    `allowed` has the valid labels; None if any finite number is valid.

    Raises:
        UnusableInputError: A label is missing or invalid, or there are no labels.
    """
    vector = as_vector("labels", values)
    sound = np.isfinite(vector) if allowed is None else np.isin(vector, list(allowed))
    wrong = np.flatnonzero(~sound)
    if wrong.size:
        those = "finite numbers" if allowed is None else _list_labels(allowed)
        raise UnusableInputError(
            "labels",
            got=f"{wrong.size:,} of {vector.size:,} that are not, the first at row {wrong[0]}: "
            f"{vector[wrong[0]]:g}",
            allowed=f"{those}, none missing",
            remedy="Leave out the rows whose outcome is not known.",
        )
    return vector


def as_predictions(values: ArrayLike, rows: int, lowest: float, highest: float) -> FloatArray:
    """Return one prediction for each of `rows` rows.

    Raises:
        UnusableInputError: A different number of rows, or a value that is missing or out of range.
    """
    vector = as_vector("predictions", values)
    if vector.size != rows:
        raise UnusableInputError(
            "predictions",
            got=f"{vector.size:,} rows for {rows:,} labels",
            allowed="one prediction a label",
            remedy="Predict the very rows the labels belong to.",
        )
    sound = np.isfinite(vector) & (vector >= lowest) & (vector <= highest)
    wrong = np.flatnonzero(~sound)
    if wrong.size:
        raise UnusableInputError(
            "predictions",
            got=f"{wrong.size:,} of {rows:,} that are not, the first at row {wrong[0]}: "
            f"{vector[wrong[0]]:g}",
            allowed=f"finite numbers from {lowest:g} to {highest:g}, none missing",
            remedy="Check what the model's predict returns.",
        )
    return vector


def _describe_values(raw: NDArray[Any]) -> str:
    """Describe a type that cannot be converted to numbers; blank if there is none."""
    if raw.dtype.kind in "mMcV":
        return f"values of type {raw.dtype}"
    if raw.dtype.kind in "USO":
        for row, value in enumerate(raw.ravel()):
            if isinstance(value, str | bytes):
                return f"text, the first at row {row}: {str(value)[:40]!r}"
    return ""


def _list_labels(allowed: frozenset[float]) -> str:
    return " and ".join(f"{label:g}" for label in sorted(allowed))
