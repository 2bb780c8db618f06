"""The workspace: one process that answers the REST API, runs Sail and serves models.

What Databricks would refuse raises ApiError with the same status.
"""
