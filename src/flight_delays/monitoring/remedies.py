"""Remedies for signals that are over their limit or missing."""

from collections.abc import Mapping

from ..config.monitoring import Kind

COMPARE = (
    "compare the feature with the baseline on the dashboard: repair its source, or train again"
)
REQUESTS = "look at the endpoint's logs and load"
REFRESH = "run feature_refresh, and repair what fails in it"
OVER: Mapping[Kind, str] = {
    "numerical_drift": COMPARE,
    "categorical_drift": COMPARE,
    "score_drift": "find the feature that has drifted; if its source is correct, train again",
    "quality": "compare slices and features with the baseline, and train again",
    "nulls": "look at the quarantine and at ingest of the feature's source",
    "volume": "look at batch_inference and at the callers of the endpoint",
    "errors": REQUESTS,
    "latency": REQUESTS,
    "skew": "compare keys and times of requests with the source's, and what is online with the "
    "feature tables",
    "freshness": REFRESH,
    "silence": "run batch_inference, or find out why there are no requests",
}
MEASURED = "look at the tasks collect and monitor of the newest run"
MISSING: Mapping[Kind, str] = {
    "quality": "look at ingest of the labels and at the task collect",
    "freshness": REFRESH,
    "silence": OVER["silence"],
}


def find_remedy(kind: Kind, *, is_missing: bool) -> str:
    """Return the remedy for a signal of this kind."""
    return MISSING.get(kind, MEASURED) if is_missing else OVER[kind]
