"""MLflow's door to the stores; imports them late, for MLflow asks while it is being imported."""

from typing import Any


def open_tracking(store_uri: str, artifact_uri: str | None = None) -> Any:
    """Return the tracking store of a `laptop://` URI."""
    from .mlflow_stores import TrackingStore

    return TrackingStore(store_uri, artifact_uri)


def open_registry(store_uri: str, tracking_uri: str | None = None) -> Any:  # noqa: ARG001
    """Return the registry store of a `laptop://` URI."""
    from .mlflow_stores import RegistryStore

    return RegistryStore(store_uri)


def open_artifacts(
    artifact_uri: str,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,  # noqa: ARG001
) -> Any:
    """Return the artifact repository of a `laptop-artifacts:` URI."""
    from .mlflow_stores import open_artifacts

    return open_artifacts(artifact_uri, tracking_uri)
