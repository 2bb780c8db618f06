"""Reads a Databricks bundle and resolves it as the `databricks` CLI does, with no workspace."""

from .documents import find_root
from .errors import BundleError, Position
from .linking import Deployed, check_branch, link
from .resolution import Bundle, Identity, resolve

__all__ = [
    "Bundle",
    "BundleError",
    "Deployed",
    "Identity",
    "Position",
    "check_branch",
    "find_root",
    "link",
    "resolve",
]
