"""Values of databricks.yml that tests depend on."""

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
_BUNDLE = yaml.safe_load((ROOT / "databricks.yml").read_text())
_DEFAULTS = {name: value.get("default") for name, value in _BUNDLE["variables"].items()}

SCHEMA: str = _DEFAULTS["schema"]


def catalog_of(target: str) -> str:
    """Return the catalog of a target."""
    variables = _BUNDLE["targets"][target].get("variables", {})
    return str(variables.get("catalog", _DEFAULTS["catalog"]))


def branch_of(target: str) -> str:
    """Return the branch that staging or prod is deployed from."""
    return str(_BUNDLE["targets"][target]["git"]["branch"])
