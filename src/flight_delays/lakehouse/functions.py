"""Unity Catalog functions of features."""

import contextlib
from collections.abc import Iterator

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound

from ..spec.request_features import MADE_HERE, RequestFeature
from .context import Lakehouse
from .errors import FunctionMissingError


def ensure_function(lakehouse: Lakehouse, name: str, feature: RequestFeature) -> bool:
    """Create the function of a feature if it does not exist, and return whether it is new.

    The name contains a digest of the definition, so an existing function is never replaced.
    """
    if has_function(lakehouse.workspace, name):
        return False
    lakehouse.spark.sql(feature.write_sql(name))
    return True


def require_function(workspace: WorkspaceClient, name: str, remedy: str) -> None:
    """Check that a function exists; `remedy` says how to create it, as a sentence.

    Raises:
        FunctionMissingError: It does not exist, or the task's principal may not see it.
    """
    if not has_function(workspace, name):
        raise FunctionMissingError(name, remedy)


def has_function(workspace: WorkspaceClient, name: str) -> bool:
    """Return whether a function exists."""
    try:
        workspace.functions.get(name)
    except NotFound:
        return False
    return True


def delete_functions(workspace: WorkspaceClient, schema: str) -> Iterator[str]:
    """Delete the functions that the features task created in a schema, and yield their names.

    The schema need not exist.
    """
    catalog, _, name = schema.partition(".")
    try:
        found = list(workspace.functions.list(catalog, name))
    except NotFound:
        return
    for function in found:
        if (function.comment or "").endswith(MADE_HERE):
            full = f"{schema}.{function.name}"
            with contextlib.suppress(NotFound):
                workspace.functions.delete(full)
            yield full
