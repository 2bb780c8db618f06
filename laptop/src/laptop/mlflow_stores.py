"""MLflow's stores, with the restrictions of Unity Catalog.

The URI scheme `laptop:///path/of/state/folder` is used for tracking and registry. Artifact URIs,
`laptop-artifacts:/…`, do not contain the folder's path, so that they stay valid in a copy of it.
MLflow loads these stores through `mlflow_plugin.py`.
"""

# MLflow's own stores are not annotated.
# mypy: disallow-untyped-calls=False

import functools
import inspect
import os
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.prompt.constants import IS_PROMPT_TAG_KEY
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.store.model_registry import (
    SEARCH_MODEL_VERSION_MAX_RESULTS_DEFAULT,
    SEARCH_REGISTERED_MODEL_MAX_RESULTS_DEFAULT,
)
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryBase
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingBase

from .deployment_jobs import DeploymentJobs
from .identity import USER_NAME
from .state_dir import ARTIFACTS_URI, StateDir, require_state_dir

SCHEME = "laptop://"
MOST_TAGS = 50
LONGEST_TAG = 1000
_NO_PROMPTS = f"tag.`{IS_PROMPT_TAG_KEY}` != 'true'"
_NAMED = re.compile(r"(?i)\bname\s*=\s*('[^']*'|\"[^\"]*\")")
# Every workspace has these folders, even before its first start.
FOLDERS = ("Shared", "Users", f"Users/{USER_NAME}")
TAG_KEY = re.compile(r"[^.,\-=/:\s]{1,256}")


def state_dir_of(uri: str) -> StateDir:
    """Return the state folder of a `laptop://` URI."""
    return StateDir(Path(unquote(urlparse(uri).path)))


def open_artifacts(uri: str, tracking_uri: str | None = None) -> LocalArtifactRepository:
    """Return the repository of a `laptop-artifacts:` URI.

    Args:
        uri: Path of the artifacts in the state folder's `artifacts/`.
        tracking_uri: Tracking URI of the store; by default the process's.

    Raises:
        LaptopError: Neither tracking URI nor environment names a state folder.
    """
    candidates = (tracking_uri or "", mlflow.get_tracking_uri())
    homes = [state_dir_of(each) for each in candidates if each.startswith(SCHEME)]
    state_dir = homes[0] if homes else require_state_dir()
    folder = state_dir.artifacts / unquote(urlparse(uri).path).lstrip("/")
    return LocalArtifactRepository(folder.as_uri(), tracking_uri)


def refuse(message: str) -> MlflowException:
    """Return the error for a request that Unity Catalog refuses."""
    return MlflowException(message, INVALID_PARAMETER_VALUE)


class TrackingStore(TrackingBase):
    """Runs, metrics and logged models, in SQLite."""

    def __init__(self, store_uri: str, artifact_uri: str | None = None) -> None:
        super().__init__(
            f"sqlite:///{state_dir_of(store_uri).mlflow_db}", artifact_uri or ARTIFACTS_URI
        )
        self._files = state_dir_of(store_uri).files

    def create_experiment(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Create an experiment at a workspace path in an existing folder."""
        if not name.startswith("/"):
            raise refuse(
                f"Got an invalid experiment name '{name}'. An experiment name must be an absolute "
                f"path within the workspace, e.g. '/Users/{USER_NAME}/my-experiment'."
            )
        parent = name.removeprefix("/Workspace").rpartition("/")[0]
        if parent.strip("/") not in FOLDERS and not (self._files / parent.lstrip("/")).is_dir():
            text = f"Parent directory {parent} does not exist."
            raise MlflowException(text, RESOURCE_DOES_NOT_EXIST)
        return super().create_experiment(name, *args, **kwargs)


class RegistryStore(RegistryBase):
    """Registered models under three-level names, in SQLite."""

    def __init__(self, store_uri: str) -> None:
        super().__init__(f"sqlite:///{state_dir_of(store_uri).mlflow_db}")
        self._catalog = state_dir_of(store_uri).catalog_db
        self._deployment_jobs = DeploymentJobs(state_dir_of(store_uri))

    def _check_schema(self, name: str) -> None:
        schema = name.rpartition(".")[0]
        if schema in os.environ.get("LAPTOP_SCHEMAS", "").split() or not self._catalog.exists():
            return
        with closing(sqlite3.connect(self._catalog, timeout=30)) as catalog:
            found = catalog.execute(
                "SELECT 1 FROM documents WHERE kind = 'schema' AND name = ?", (schema,)
            ).fetchone()
        if found is None:
            text = f"Schema '{schema}' does not exist. Create it before its models."
            raise MlflowException(text, RESOURCE_DOES_NOT_EXIST)

    def search_registered_models(
        self,
        filter_string: Any = None,
        max_results: int = SEARCH_REGISTERED_MODEL_MAX_RESULTS_DEFAULT,
        order_by: Any = None,
        page_token: Any = None,
    ) -> Any:
        """Return models; filter and order are refused, as in Unity Catalog."""
        # MLflow's client adds this filter to exclude prompts; Databricks ignores it too.
        if filter_string == _NO_PROMPTS:
            filter_string = None
        _require_unspecified(filter_string=filter_string, order_by=order_by)
        found = super().search_registered_models(None, max_results, None, page_token)
        self._deployment_jobs.describe_models(found)
        return found

    def search_model_versions(
        self,
        filter_string: Any = None,
        max_results: int = SEARCH_MODEL_VERSION_MAX_RESULTS_DEFAULT,
        order_by: Any = None,
        page_token: Any = None,
    ) -> Any:
        """Return versions; a custom order is refused, as in Unity Catalog."""
        _require_unspecified(order_by=order_by)
        named = _NAMED.sub(lambda found: found[0].lower(), filter_string or "")
        found = super().search_model_versions(named, max_results, None, page_token)
        self._deployment_jobs.describe_versions(found)
        return found

    def get_registered_model(self, name: str) -> Any:
        """Return a model with its deployment job."""
        model = super().get_registered_model(name)
        self._deployment_jobs.describe_models([model])
        return model

    def get_model_version(self, name: str, version: Any) -> Any:
        """Return a version with the state of its deployment job."""
        found = super().get_model_version(name, version)
        self._deployment_jobs.describe_versions([found])
        return found

    def get_model_version_by_alias(self, name: str, alias: str) -> Any:
        """Return a version with the state of its deployment job."""
        found = super().get_model_version_by_alias(name, alias)
        self._deployment_jobs.describe_versions([found])
        return found

    def create_registered_model(
        self, name: str, tags: Any = None, description: Any = None, deployment_job_id: Any = None
    ) -> Any:
        """Register a model with a three-level name."""
        if name.count(".") != 2 or not all(name.split(".")):
            raise refuse(
                f"A registered model needs a name of three levels, catalog.schema.model; "
                f"got '{name}'."
            )
        self._check_schema(name)
        check_tags(tags)
        self._deployment_jobs.check(name, deployment_job_id or "")
        super().create_registered_model(name, tags, description)
        if deployment_job_id:
            self._deployment_jobs.link(name, deployment_job_id)
        return self.get_registered_model(name)

    def update_registered_model(
        self, name: str, description: Any = None, deployment_job_id: Any = None
    ) -> Any:
        """Update a model's description, its deployment job or both; None keeps the value."""
        standing = self.get_registered_model(name)
        if deployment_job_id is not None:
            self._deployment_jobs.check(name, deployment_job_id)
            self._deployment_jobs.link(name, deployment_job_id)
        kept = standing.description if description is None else description
        super().update_registered_model(name, kept)
        return self.get_registered_model(name)

    def delete_registered_model(self, name: str) -> None:
        """Delete a model and its link to a deployment job."""
        super().delete_registered_model(name)
        self._deployment_jobs.link(name, "")

    def rename_registered_model(self, name: str, new_name: str) -> Any:
        """Rename a model; its deployment job is kept."""
        job_id, new_name = self.get_registered_model(name).deployment_job_id, new_name.lower()
        super().rename_registered_model(name, new_name)
        self._deployment_jobs.link(name, "")
        self._deployment_jobs.link(new_name, job_id)
        return self.get_registered_model(new_name)

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: Any = None,
        tags: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Create a version of a model that has a signature with inputs and outputs."""
        check_signature(source)
        check_tags(tags)
        made = super().create_model_version(name, source, run_id, tags, *args, **kwargs)
        self._deployment_jobs.start(name, made.version)
        return made

    def set_model_version_tag(self, name: str, version: str, tag: Any) -> None:
        """Set a tag within Unity Catalog's limits."""
        check_tags([tag], self.get_model_version(name, version).tags)
        super().set_model_version_tag(name, version, tag)

    def set_registered_model_tag(self, name: str, tag: Any) -> None:
        """Set a tag within Unity Catalog's limits."""
        check_tags([tag], self.get_registered_model(name).tags)
        super().set_registered_model_tag(name, tag)

    def transition_model_version_stage(self, *_: Any, **__: Any) -> Any:
        """Raise an error: Unity Catalog has aliases, no stages."""
        raise refuse("Unity Catalog has no stages: set an alias instead.")

    def get_latest_versions(self, *_: Any, **__: Any) -> Any:
        """Raise an error: the latest versions are defined by stage."""
        raise refuse("Unity Catalog has no stages: read an alias or search the versions.")


def _require_unspecified(**arguments: Any) -> None:
    for name, value in arguments.items():
        if value not in (None, "", []):
            raise refuse(f"Argument '{name}' is unsupported for models in the Unity Catalog.")


def _by_lower_name(method: Any) -> Any:
    @functools.wraps(method)
    def call(self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        return method(self, name.lower(), *args, **kwargs)

    return call


# Unity Catalog stores names in lower case and looks them up case-insensitively.
for _name, _method in inspect.getmembers(RegistryStore, inspect.isfunction):
    if [*inspect.signature(_method).parameters][1:2] == ["name"]:
        setattr(RegistryStore, _name, _by_lower_name(_method))


def check_signature(source: str) -> None:
    """Raise an error if a model's signature lacks inputs or outputs."""
    signature = Model.load(source).signature
    if signature is None or signature.inputs is None or signature.outputs is None:
        raise refuse(
            "Unity Catalog takes only models whose signature has inputs and outputs; "
            f"the model at '{source}' has {'none' if signature is None else 'one without both'}. "
            "Log it with a signature."
        )


def check_tags(tags: Iterable[Any] | None, present: Iterable[str] = ()) -> None:
    """Raise an error for tags beyond Unity Catalog's limits, given an object's existing keys."""
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
