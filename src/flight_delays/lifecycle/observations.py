"""Labels and predictions as arrays that can be trusted."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import UnusableInputError

FloatArray = NDArray[np.float64]


def as_vector(what: str, values: ArrayLike) -> FloatArray:
    """Return one double a row; a missing value becomes NaN.

    Raises:
        UnusableInputError: The values are no numbers, not one-dimensional, or none at all.
    """
    try:
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UnusableInputError(
            what,
            got=f"values that are no numbers ({error})",
            allowed="one number a row",
            remedy="Convert the column before it is handed over.",
        ) from error
    if vector.ndim != 1 or vector.size == 0:
        raise UnusableInputError(
            what,
            got=f"an array of shape {vector.shape}",
            allowed="one dimension with at least one row",
            remedy="Check that the window has rows and that predict gives one number each.",
        )
    return vector


def as_labels(labels: ArrayLike) -> FloatArray:
    """Return the labels as doubles, each 0 or 1.

    Raises:
        UnusableInputError: A label is missing or neither 0 nor 1, or there is none.
    """
    vector = as_vector("labels", labels)
    wrong = np.flatnonzero((vector != 0) & (vector != 1))
    if wrong.size:
        raise UnusableInputError(
            "labels",
            got=f"{wrong.size:,} of {vector.size:,} that are neither, the first at row {wrong[0]}: "
            f"{vector[wrong[0]]:g}",
            allowed="0 and 1, none missing",
            remedy="Leave out the rows whose outcome is not known.",
        )
    return vector


def as_probabilities(what: str, values: ArrayLike, *, rows: int) -> FloatArray:
    """Return one probability for each of `rows` rows.

    Raises:
        UnusableInputError: Another number of rows, or a value that is missing or outside [0, 1].
    """
    vector = as_vector(what, values)
    if vector.size != rows:
        raise UnusableInputError(
            what,
            got=f"{vector.size:,} rows for {rows:,} labels",
            allowed="one prediction a label",
            remedy="Predict the very rows the labels belong to.",
        )
    wrong = np.flatnonzero(~((vector >= 0) & (vector <= 1)))
    if wrong.size:
        raise UnusableInputError(
            what,
            got=f"{wrong.size:,} of {rows:,} that are not, the first at row {wrong[0]}: "
            f"{vector[wrong[0]]:g}",
            allowed="probabilities from 0 to 1, none missing",
            remedy="Check what the model's predict returns.",
        )
    return vector
