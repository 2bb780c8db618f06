"""Read a Databricks bundle and resolve it as the `databricks` CLI does, without a workspace.

Configurations that the CLI refuses raise BundleError.
"""

from .documents import find_root
from .errors import BundleError, Position
from .paths import keep_newest
from .resolution import Bundle, Identity, list_targets, resolve
from .resolve_ids import Deployed, check_branch, resolve_ids

__all__ = [
    "Bundle",
    "BundleError",
    "Deployed",
    "Identity",
    "Position",
    "check_branch",
    "find_root",
    "keep_newest",
    "list_targets",
    "resolve_ids",
    "resolve",
]
