"""The workspace's one user, whose short name becomes the prefix of dev resources; its warehouse."""

USER_NAME = "laptop@localhost"
SHORT_NAME = "laptop"
WORKSPACE_ID = "1"

WAREHOUSE = "laptop"
# What a new workspace of Databricks has is called so.
WAREHOUSE_NAME = "Serverless Starter Warehouse"

SCIM_FIELDS = {
    "id": "1",
    "displayName": SHORT_NAME,
    "active": True,
    "emails": [{"type": "work", "value": USER_NAME, "primary": True}],
}
"""What the workspace knows of the user besides the name."""
