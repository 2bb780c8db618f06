"""Structured Streaming in micro-batches, run by the client process."""
