"""Structured Streaming in micro-batches, run by the process that starts the query."""
