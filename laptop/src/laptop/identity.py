"""The workspace's only user, whose short name prefixes dev resources, and its warehouse."""

USER_NAME = "laptop@localhost"
SHORT_NAME = "laptop"
WORKSPACE_ID = "1"

WAREHOUSE = "laptop"
# The name of the warehouse in a new Databricks workspace.
WAREHOUSE_NAME = "Serverless Starter Warehouse"

SCIM_FIELDS = {
    "id": "1",
    "displayName": SHORT_NAME,
    "active": True,
    "emails": [{"type": "work", "value": USER_NAME, "primary": True}],
}
"""What the workspace knows of the user besides the name."""
