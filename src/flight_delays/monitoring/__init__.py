"""Verdicts on a model in use, computed from its signals without side effects."""
