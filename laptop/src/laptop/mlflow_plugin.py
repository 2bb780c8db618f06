"""MLflow plugin for the stores, imported lazily: MLflow loads plugins during its own import."""

import os
import sys
from pathlib import Path
from typing import Any

_RESOLVERS = {
    "mlflow.tracking._tracking_service.utils": ("get_tracking_uri", "_resolve_tracking_uri"),
    "mlflow.tracking._model_registry.utils": (
        "get_registry_uri",
        "_resolve_registry_uri",
        "_get_registry_uri_from_context",
    ),
}


def _redirect(module: Any, names: tuple[str, ...]) -> None:
    """Use the workspace's stores for Databricks' URIs in its tasks; ignore profiles."""

    def own(uri: Any) -> Any:
        home = os.environ.get("LAPTOP_HOME")
        named = home and str(uri).partition(":")[0] in ("databricks", "databricks-uc")
        return f"laptop://{Path(home).as_uri().removeprefix('file://')}" if home and named else uri

    def wrapped(resolve: Any) -> Any:
        return lambda *given, **named: own(resolve(*given, **named))

    for name in names:
        setattr(module, name, wrapped(getattr(module, name)))


def __getattr__(name: str) -> Any:
    """Return the function of an entry point.

    MLflow loads entry points at the end of its URI modules, before other modules import from them.
    """
    for module in [module for module in _RESOLVERS if module in sys.modules]:
        _redirect(sys.modules[module], _RESOLVERS.pop(module))
    if name in _OPENERS:
        return _OPENERS[name]
    raise AttributeError(name)


def _open_tracking(store_uri: str, artifact_uri: str | None = None) -> Any:
    """Return the tracking store of a `laptop://` URI."""
    from .mlflow_stores import TrackingStore

    return TrackingStore(store_uri, artifact_uri)


def _open_registry(store_uri: str, tracking_uri: str | None = None) -> Any:  # noqa: ARG001
    """Return the registry store of a `laptop://` URI."""
    from .mlflow_stores import RegistryStore

    return RegistryStore(store_uri)


def _open_artifacts(
    artifact_uri: str,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,  # noqa: ARG001
) -> Any:
    """Return the artifact repository of a `laptop-artifacts:` URI."""
    from .mlflow_stores import open_artifacts

    return open_artifacts(artifact_uri, tracking_uri)


_OPENERS = {
    "open_tracking": _open_tracking,
    "open_registry": _open_registry,
    "open_artifacts": _open_artifacts,
}
