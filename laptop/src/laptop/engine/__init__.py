"""Spark Connect engines."""
