"""The workspace: one process that answers the REST API, runs Sail and serves models.

Requests that Databricks rejects raise ApiError with the same status.
"""
