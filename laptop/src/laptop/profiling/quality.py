"""Quality metrics of a model in one group of rows with predictions and labels."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.int64]


def classify(
    predictions: "Integers", labels: "Integers", counts: "Integers", names: "Sequence[str]"
) -> dict[str, Any]:
    """Return classification metrics.

    Precision, recall and F1 are 0 for classes without predictions or labels. Without
    probabilities there is no ROC curve and no log loss.

    Args:
        predictions: Code of the predicted class, by distinct pair.
        labels: Code of the true class, by distinct pair.
        counts: Number of rows, by distinct pair.
        names: Class by code.
    """
    total = counts.sum()
    if not total:
        return {}
    classes = np.union1d(predictions, labels)
    row, column = np.searchsorted(classes, predictions), np.searchsorted(classes, labels)
    matrix = np.zeros((classes.size, classes.size))
    matrix[row, column] = counts
    right = matrix.diagonal()
    predicted, actual = matrix.sum(axis=1), matrix.sum(axis=0)
    precision, recall = share(right, predicted), share(right, actual)
    f1 = share(2 * precision * recall, precision + recall)
    named = [names[i] for i in classes]

    def averaged(figures: "Floats") -> dict[str, Any]:
        return {
            "one_vs_all": dict(zip(named, figures.tolist(), strict=True)),
            "macro": float(figures.mean()),
            "weighted": float((figures * actual).sum() / total),
        }

    return {
        "accuracy_score": float(right.sum() / total),
        "confusion_matrix": [
            {"prediction": named[p], "label": named[a], "count": int(count)}
            for p, a, count in zip(row, column, counts, strict=True)
        ],
        "precision": averaged(precision),
        "recall": averaged(recall),
        "f1_score": averaged(f1),
    }


def regress(predictions: "Floats", labels: "Floats") -> dict[str, Any]:
    """Return regression metrics.

    The percentage error ignores labels of zero. R2 is None if the labels are constant.
    """
    if not predictions.size:
        return {}
    errors = predictions - labels
    squares = float((errors**2).mean())
    spread = float(((labels - labels.mean()) ** 2).mean())
    nonzero = labels != 0
    return {
        "mean_squared_error": squares,
        "root_mean_squared_error": float(np.sqrt(squares)),
        "mean_average_error": float(np.abs(errors).mean()),
        "mean_absolute_percentage_error": (
            float(np.abs(errors[nonzero] / labels[nonzero]).mean()) if nonzero.any() else None
        ),
        "r2_score": 1.0 - squares / spread if spread else None,
    }


def share(part: "Floats", whole: "Floats") -> "Floats":
    """Return quotients, 0 if the divisor is 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)
