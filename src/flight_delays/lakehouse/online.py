"""The online store: features by key, for serving."""

import contextlib
from typing import TYPE_CHECKING

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound

from .errors import OnlineStoreMissingError

if TYPE_CHECKING:
    from databricks.feature_engineering import FeatureEngineeringClient


def name_online(table: str) -> str:
    """Return the name of a feature table's online table."""
    return f"{table}_online"


def require_online_store(feature_store: "FeatureEngineeringClient", name: str) -> None:
    """Refuse to serve without a store to look features up in.

    Raises:
        OnlineStoreMissingError: None is named, or none of that name is there.
    """
    if not name or feature_store.get_online_store(name=name) is None:
        raise OnlineStoreMissingError(name)


def publish_features(feature_store: "FeatureEngineeringClient", store: str, table: str) -> str:
    """Publish a feature table and return the online table's name.

    Raises:
        OnlineStoreMissingError: None is named, or none of that name is there.
    """
    require_online_store(feature_store, store)
    online = name_online(table)
    feature_store.publish_table(
        online_store=feature_store.get_online_store(name=store),
        source_table_name=table,
        online_table_name=online,
        publish_mode="TRIGGERED",
    )
    return online


def withdraw_features(workspace: WorkspaceClient, table: str) -> str:
    """Delete a feature table's online table, where there is one, and return its name."""
    online = name_online(table)
    with contextlib.suppress(NotFound):
        workspace.feature_store.delete_online_table(online)
    return online
