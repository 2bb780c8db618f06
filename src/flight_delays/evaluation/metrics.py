"""Metrics and losses that scikit-learn lacks, for validated labels and predictions."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import r2_score, roc_auc_score

from ..errors import UnusableInputError
from .observations import FloatArray, as_vector

CLIP = 1e-7
BINS = 10


def area_under_curve(labels: FloatArray, predictions: FloatArray) -> float | None:
    """Return the area under the ROC curve; None if there is only one class."""
    if labels.min() == labels.max():
        return None
    return float(roc_auc_score(labels, predictions))


def mean_log_loss(labels: FloatArray, predictions: FloatArray) -> float:
    """Return the mean of `log_losses`, in nats."""
    return float(log_losses(labels, predictions).mean())


def calibration_error(labels: FloatArray, predictions: FloatArray) -> float:
    """Return the expected calibration error over 10 bins of equal width.

    It is the absolute difference of mean prediction and share of positives in a bin, weighted by
    the bin's rows.
    """
    # Equal width, not quantiles: rows with the same prediction always share a bin.
    bins = np.minimum((predictions * BINS).astype(np.intp), BINS - 1)
    gaps = np.bincount(bins, weights=labels - predictions, minlength=BINS)
    return float(np.abs(gaps).sum() / labels.size)


def mean_label(labels: FloatArray, predictions: FloatArray) -> float:  # noqa: ARG001
    """Return the mean label; for binary labels, the share of positives."""
    return float(labels.mean())


def explained_share(labels: FloatArray, predictions: FloatArray) -> float | None:
    """Return R²; None if the labels are constant."""
    if labels.min() == labels.max():
        return None
    return float(r2_score(labels, predictions))


def bias(labels: FloatArray, predictions: FloatArray) -> float:
    """Return the mean prediction minus the mean label."""
    return float((predictions - labels).mean())


def log_losses(labels: FloatArray, predictions: FloatArray) -> FloatArray:
    """Return each row's log loss in nats.

    Predictions are clipped to [1e-7, 1 - 1e-7], which limits the loss of a row to about 16.
    """
    clipped = np.clip(predictions, CLIP, 1 - CLIP)
    losses: FloatArray = -np.log(np.where(labels == 1, clipped, 1 - clipped))
    return losses


def squared_errors(labels: FloatArray, predictions: FloatArray) -> FloatArray:
    """Return each row's squared error."""
    squares: FloatArray = np.square(labels - predictions)
    return squares


def absolute_errors(labels: FloatArray, predictions: FloatArray) -> FloatArray:
    """Return each row's absolute error."""
    distances: FloatArray = np.abs(labels - predictions)
    return distances


def largest_difference(first: ArrayLike, second: ArrayLike) -> float:
    """Return the largest difference of two predictions of the same rows.

    It is absolute if the first prediction is at most 1 in size, else relative to it, because the
    precision of a double is relative. NaN if any value is missing.

    Raises:
        UnusableInputError: Values that are not numbers, different lengths, or no rows.
    """
    left, right = as_vector("first predictions", first), as_vector("second predictions", second)
    if left.size != right.size:
        raise UnusableInputError(
            "predictions",
            got=f"{left.size:,} and {right.size:,} rows",
            allowed="the same rows in the same order",
            remedy="Predict the same rows both times.",
        )
    with np.errstate(invalid="ignore"):
        return float((np.abs(left - right) / np.maximum(1.0, np.abs(left))).max())
