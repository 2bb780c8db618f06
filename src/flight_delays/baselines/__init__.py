"""What anyone would try first on a problem: candidates that a model is to be worth more than."""

from .candidates import build_baselines

__all__ = ["build_baselines"]
