"""Functions of the catalog that features are computed by."""

import contextlib
from collections.abc import Iterator

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound

from ..spec.request_features import MADE_HERE, RequestFeature
from .context import Lakehouse
from .errors import FunctionMissingError


def ensure_function(lakehouse: Lakehouse, name: str, feature: RequestFeature) -> bool:
    """Make the function of a feature where there is none, and return whether it is new.

    Its name tells its definition, so one that is there is never replaced.
    """
    if has_function(lakehouse.workspace, name):
        return False
    lakehouse.spark.sql(feature.write_sql(name))
    return True


def require_function(workspace: WorkspaceClient, name: str, remedy: str) -> None:
    """Refuse to go on without a function.

    Args:
        workspace: The workspace.
        name: Its full name.
        remedy: What makes it, as a sentence.

    Raises:
        FunctionMissingError: It is not there, or not shown to whom the task runs as.
    """
    if not has_function(workspace, name):
        raise FunctionMissingError(name, remedy)


def has_function(workspace: WorkspaceClient, name: str) -> bool:
    """Tell whether a function is there; an error other than that it is not stays an error."""
    try:
        workspace.functions.get(name)
    except NotFound:
        return False
    return True


def delete_functions(workspace: WorkspaceClient, schema: str) -> Iterator[str]:
    """Delete the functions of a schema that the features task has made, and name each.

    Args:
        workspace: The workspace.
        schema: Its name, with its catalog; no schema has no functions.
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
