"""Feature tables as the catalog describes them, for tests that need no catalog."""

from laptop.features.tables import FeatureTable


def feature_table(
    name: str, keys: list[str], time: str | None = None, **types: str
) -> FeatureTable:
    """Return a table of these columns, each given with its Spark type."""
    return FeatureTable(
        name=name,
        table_id=f"id of {name}",
        description="",
        primary_keys=keys,
        timestamp_keys=[time] if time else [],
        features=list(types),
        creation_timestamp=None,
        types=types,
        tags={},
    )
