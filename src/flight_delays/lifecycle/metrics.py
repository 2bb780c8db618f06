"""How well predicted probabilities meet what happened."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import roc_auc_score

from .errors import UnusableInputError
from .observations import FloatArray, as_labels, as_probabilities, as_vector

CLIP = 1e-7
BINS = 10


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Figures of one set of predictions.

    Attributes:
        rows: How many rows were measured.
        positives: How many of them have label 1.
        base_rate: Share of label 1.
        auc: Area under the ROC curve; None where the labels hold one class only.
        log_loss: Mean of `log_losses`, in nats.
        brier: Mean squared difference between prediction and label.
        calibration_error: Expected calibration error over 10 bins of equal width: the distance
            between mean prediction and share of label 1 in a bin, weighted by the bin's rows.
    """

    rows: int
    positives: int
    base_rate: float
    auc: float | None
    log_loss: float
    brier: float
    calibration_error: float


def measure(labels: ArrayLike, predictions: ArrayLike) -> Metrics:
    """Measure predicted probabilities of label 1.

    Raises:
        UnusableInputError: Labels that are not 0 or 1, predictions that are no probabilities,
            different lengths, or no rows.
    """
    truth = as_labels(labels)
    chance = as_probabilities("predictions", predictions, rows=truth.size)
    residuals = truth - chance
    # Width, not frequency: rows with the same prediction then always share a bin.
    bins = np.minimum((chance * BINS).astype(np.intp), BINS - 1)
    gaps = np.bincount(bins, weights=residuals, minlength=BINS)
    return Metrics(
        rows=truth.size,
        positives=int(truth.sum()),
        base_rate=float(truth.mean()),
        auc=area_under_curve(truth, chance),
        log_loss=float(log_losses(truth, chance).mean()),
        brier=float(np.square(residuals).mean()),
        calibration_error=float(np.abs(gaps).sum() / truth.size),
    )


def log_losses(labels: ArrayLike, predictions: ArrayLike) -> FloatArray:
    """Return each row's log loss in nats.

    Predictions are clipped to [1e-7, 1 - 1e-7], so that one certain mistake costs about 16 and
    not infinity.

    Raises:
        UnusableInputError: As in `measure`.
    """
    truth = as_labels(labels)
    chance = as_probabilities("predictions", predictions, rows=truth.size)
    clipped = np.clip(chance, CLIP, 1 - CLIP)
    losses: FloatArray = -np.log(np.where(truth == 1, clipped, 1 - clipped))
    return losses


def area_under_curve(labels: FloatArray, predictions: FloatArray) -> float | None:
    """Return the area under the ROC curve, or None where there is one class only."""
    if labels.min() == labels.max():
        return None
    return float(roc_auc_score(labels, predictions))


def largest_difference(first: ArrayLike, second: ArrayLike) -> float:
    """Return the largest absolute difference of two predictions of the same rows.

    NaN where either holds a missing value, which no tolerance accepts.

    Raises:
        UnusableInputError: Values that are no numbers, different lengths, or no rows.
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
        return float(np.abs(left - right).max())
