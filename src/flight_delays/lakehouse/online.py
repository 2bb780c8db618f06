"""The online store: features by key, for serving."""

from typing import TYPE_CHECKING

from .errors import OnlineStoreMissingError

if TYPE_CHECKING:
    from databricks.feature_engineering import FeatureEngineeringClient


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
    online = f"{table}_online"
    feature_store.publish_table(
        online_store=feature_store.get_online_store(name=store),
        source_table_name=table,
        online_table_name=online,
        publish_mode="TRIGGERED",
    )
    return online
