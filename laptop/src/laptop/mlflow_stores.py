"""MLflow's stores, with the refusals of Unity Catalog.

One URI scheme, `laptop:///path/of/state/folder`, serves tracking and registry. Artifacts are named
by another, `laptop-artifacts:/…`, which does not say where the folder is: a copy of it finds its
own. MLflow gets here through `mlflow_plugin.py`.
"""

# MLflow's own stores are not annotated.
# mypy: disallow-untyped-calls=False

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryBase
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingBase

from .state_dir import ARTIFACTS_URI, StateDir, require_state_dir

SCHEME = "laptop://"
MOST_TAGS = 50
LONGEST_TAG = 1000
TAG_KEY = re.compile(r"[^.,\-=/:\s]{1,256}")


def state_dir_of(uri: str) -> StateDir:
    """Return the state folder that a `laptop://` URI names."""
    return StateDir(Path(unquote(urlparse(uri).path)))


def open_artifacts(uri: str, tracking_uri: str | None = None) -> LocalArtifactRepository:
    """Return the artifacts below a `laptop-artifacts:` URI.

    Args:
        uri: Where they are, from the state folder's `artifacts/` on.
        tracking_uri: Of the store that named them; the process's own where it is not given.

    Raises:
        LaptopError: Neither tracking URI nor environment says which state folder is meant.
    """
    candidates = (tracking_uri or "", mlflow.get_tracking_uri())
    homes = [state_dir_of(each) for each in candidates if each.startswith(SCHEME)]
    state_dir = homes[0] if homes else require_state_dir()
    folder = state_dir.artifacts / unquote(urlparse(uri).path).lstrip("/")
    return LocalArtifactRepository(folder.as_uri(), tracking_uri)


def refuse(message: str) -> MlflowException:
    """Return the error of a request that Unity Catalog would not take."""
    return MlflowException(message, INVALID_PARAMETER_VALUE)


class TrackingStore(TrackingBase):
    """Runs, metrics and logged models, in SQLite."""

    def __init__(self, store_uri: str, artifact_uri: str | None = None) -> None:
        super().__init__(
            f"sqlite:///{state_dir_of(store_uri).mlflow_db}", artifact_uri or ARTIFACTS_URI
        )


class RegistryStore(RegistryBase):
    """Registered models under three-level names, in SQLite."""

    def __init__(self, store_uri: str) -> None:
        super().__init__(f"sqlite:///{state_dir_of(store_uri).mlflow_db}")

    def create_registered_model(
        self, name: str, tags: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Register a name of three levels."""
        if name.count(".") != 2 or not all(name.split(".")):
            raise refuse(
                f"A registered model needs a name of three levels, catalog.schema.model; "
                f"got '{name}'."
            )
        check_tags(tags)
        return super().create_registered_model(name, tags, *args, **kwargs)

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: Any = None,
        tags: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Register a version of a model that has a signature with inputs and outputs."""
        check_signature(source)
        check_tags(tags)
        return super().create_model_version(name, source, run_id, tags, *args, **kwargs)

    def set_model_version_tag(self, name: str, version: str, tag: Any) -> None:
        """Set a tag within Unity Catalog's limits."""
        check_tags([tag], self.get_model_version(name, version).tags)
        super().set_model_version_tag(name, version, tag)

    def set_registered_model_tag(self, name: str, tag: Any) -> None:
        """Set a tag within Unity Catalog's limits."""
        check_tags([tag], self.get_registered_model(name).tags)
        super().set_registered_model_tag(name, tag)

    def transition_model_version_stage(self, *_: Any, **__: Any) -> Any:
        """Refuse: Unity Catalog has aliases, no stages."""
        raise refuse("Unity Catalog has no stages: set an alias instead.")

    def get_latest_versions(self, *_: Any, **__: Any) -> Any:
        """Refuse: what is latest is a question of stages."""
        raise refuse("Unity Catalog has no stages: read an alias or search the versions.")


def check_signature(source: str) -> None:
    """Refuse a model whose signature lacks inputs or outputs."""
    signature = Model.load(source).signature
    if signature is None or signature.inputs is None or signature.outputs is None:
        raise refuse(
            "Unity Catalog takes only models whose signature has inputs and outputs; "
            f"the model at '{source}' has {'none' if signature is None else 'one without both'}. "
            "Log it with a signature."
        )


def check_tags(tags: Iterable[Any] | None, present: Iterable[str] = ()) -> None:
    """Refuse tags that Unity Catalog would, beside the keys that an object has already."""
    keys = set(present)
    for tag in tags or ():
        keys.add(tag.key)
        if not TAG_KEY.fullmatch(tag.key):
            raise refuse(
                f"Tag key '{tag.key}' has one of '. , - = / :' or a blank, or is too long."
            )
        if len(str(tag.value)) > LONGEST_TAG:
            text = f"Tag '{tag.key}' has {len(str(tag.value))} characters; {LONGEST_TAG} fit."
            raise refuse(text)
        if len(keys) > MOST_TAGS:
            raise refuse(f"An object takes {MOST_TAGS} tags; '{tag.key}' would be one more.")
