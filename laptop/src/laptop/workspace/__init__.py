"""The workspace: one process that answers the REST API, runs Sail and serves models."""
