"""The values of a bundle's variables."""

import os
from collections.abc import Mapping

from .documents import Block
from .errors import BundleError

_ENVIRONMENT = "BUNDLE_VAR_"


def assign_values(variables: Block, given: Mapping[str, str], written: Block) -> None:
    """Write each variable's `value`, in place.

    It is the given one, or `BUNDLE_VAR_name` of the environment, or the one `written` in the
    target's variable-overrides.json, or the default.

    Raises:
        BundleError: an unknown variable is given, one has no value, or needs a workspace's look-up.
    """
    for name in given:
        if name not in variables:
            raise BundleError("unknown variable", got=name, allowed=variables)
    for name, variable in variables.items():
        at = variables.at.get(name)
        advice = f"Give it a value: --var {name}=…, or {_ENVIRONMENT}{name} in the environment."
        value = given.get(name, os.environ.get(_ENVIRONMENT + name))
        if value is not None and variable.get("type") == "complex":
            raise BundleError(f"complex variable {name} can be set in YAML only", got=value, at=at)
        if value is None and variable.get("lookup") is not None:
            raise BundleError(
                f"variable {name} has a `lookup`, which needs a workspace", advice=advice, at=at
            )
        if value is None:
            value = written.get(name, variable.get("default"))
        if value is None:
            raise BundleError(f"variable {name} has no value", advice=advice, at=at)
        variable["value"] = value
