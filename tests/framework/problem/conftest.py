"""The fixtures of the problem's own tests."""

from tests.problem.conftest import compute, month, sources, tables, training_set

__all__ = ["compute", "month", "sources", "tables", "training_set"]
