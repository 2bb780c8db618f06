"""The command line of the laptop workspace."""

# --help lists commands in the order of these imports.
from . import running, reading, serving  # noqa: I001
from .app import app

__all__ = ["app", "reading", "running", "serving"]
