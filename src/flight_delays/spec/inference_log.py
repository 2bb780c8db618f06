"""The schema of the inference log, and SQL for predictions and labels."""

from collections.abc import Mapping

from .problem import Problem

LOG = "inference_log"
LABELLED = f"{LOG}_labelled"
BASELINE = f"{LOG}_baseline"
REJECTED = "inference_rejected"
# Validation rows of each version; those of the Champion are the baseline.
VALIDATED = "validation_rows"

BATCH, STREAM, ENDPOINT, VALIDATION = "batch", "stream", "endpoint", "validation"
PREDICTIONS, STREAM_PREDICTIONS = "predictions", "stream_predictions"
# The tables of predictions, by their writer.
SCORED = {BATCH: PREDICTIONS, STREAM: STREAM_PREDICTIONS}
# Origin of a row's features.
FROM_BATCH, FROM_TRACE, FROM_LOOKUP = "batch", "trace", "lookup"
LABEL, LABEL_KNOWN_AT = "label", "label_known_at"


def log_columns(problem: Problem) -> Mapping[str, str]:
    """Return the Spark SQL type of each column of the inference log."""
    return {
        "row_id": "STRING",
        **problem.keys,
        problem.spine.decision_at: "TIMESTAMP",
        "scored_at": "TIMESTAMP",
        **feature_types(problem),
        "features_from": "STRING",
        "score": "DOUBLE",
        "prediction": class_type(problem),
        "model_name": "STRING",
        "model_version": "STRING",
        "source": "STRING",
    }


def labelled_columns(problem: Problem) -> Mapping[str, str]:
    """Return the columns of the log with the label, of the prediction's type, and its time."""
    return {**log_columns(problem), LABEL: class_type(problem), LABEL_KNOWN_AT: "TIMESTAMP"}


def baseline_columns(problem: Problem) -> Mapping[str, str]:
    """Return the columns of validation rows, which have no `scored_at`."""
    return {name: kind for name, kind in labelled_columns(problem).items() if name != "scored_at"}


def feature_types(problem: Problem) -> Mapping[str, str]:
    """Return the Spark SQL type of each feature that is not a key."""
    return {
        name: "STRING" if name in problem.categorical_columns else "DOUBLE"
        for name in problem.feature_columns
        if name not in problem.keys
    }


def class_type(problem: Problem) -> str:
    """Return the type of a prediction; a class is a string, so that it is a category."""
    return "DOUBLE" if problem.model_type.labels is None else "STRING"


def write_prediction(problem: Problem, score: str, threshold: float) -> str:
    """Return SQL for the prediction of a score; for a binary model, the class by threshold."""
    if problem.model_type.labels is None:
        return score
    return (
        f"CASE WHEN {score} >= {threshold!r}D THEN '1' WHEN {score} < {threshold!r}D THEN '0' END"
    )


def write_label(problem: Problem, label: str) -> str:
    """Return SQL for a label in the type of the predictions."""
    if problem.model_type.labels is None:
        return f"CAST({label} AS DOUBLE)"
    return f"CAST(CAST({label} AS INT) AS STRING)"
