"""The values of a bundle's variables."""

import os
from collections.abc import Mapping

from .documents import Block
from .errors import BundleError

_ENVIRONMENT = "BUNDLE_VAR_"


def assign_values(
    variables: Block,
    given: Mapping[str, str],
    written: Block,
    warehouses: Mapping[str, str],
) -> dict[str, str]:
    """Set each variable's `value`, in place; return the reasons for unresolved ones.

    In order of precedence: the given value, `BUNDLE_VAR_name` of the environment, the value
    `written` in the target's variable-overrides.json, the default. A `lookup` finds one of the
    `warehouses` by its name; other look-ups stay unresolved.

    Raises:
        BundleError: an unknown variable is given, or one has no value.
    """
    unresolved: dict[str, str] = {}
    for name in given:
        if name not in variables:
            raise BundleError("unknown variable", got=name, allowed=variables)
    for name, variable in variables.items():
        at = variables.at.get(name)
        advice = f"Give it a value: --var {name}=…, or {_ENVIRONMENT}{name} in the environment."
        value = given.get(name, os.environ.get(_ENVIRONMENT + name))
        if value is not None and variable.get("type") == "complex":
            raise BundleError(f"complex variable {name} can be set in YAML only", got=value, at=at)
        lookup = variable.get("lookup")
        if value is None and lookup is not None:
            value = warehouses.get(lookup["warehouse"]) if [*lookup] == ["warehouse"] else None
        if value is None and lookup is not None:
            unresolved[f"${{var.{name}}}"] = (
                f"variable {name} has a `lookup` that finds nothing on the laptop. {advice}"
            )
            continue
        if value is None:
            value = written.get(name, variable.get("default"))
        if value is None:
            raise BundleError(f"variable {name} has no value", advice=advice, at=at)
        variable["value"] = value
    return unresolved
