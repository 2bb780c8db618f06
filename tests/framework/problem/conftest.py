"""Fixtures of the problem's tests."""

from tests.problem.conftest import compute, month, sources, tables, training_set

__all__ = ["compute", "month", "sources", "tables", "training_set"]
