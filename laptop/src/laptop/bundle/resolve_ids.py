"""Second phase of the resolution: `${resources.…}` references, known after deployment."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .errors import BundleError, Position
from .lookup import DERIVED
from .references import LEAVE, Interpolation, split, step_into
from .resolution import Bundle

MADE = ("experiments", "jobs", "registered_models", "schemas", "volumes")
"""The resources that `laptop run` makes."""

Deployed = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Resource type → key → field → value, as the workspace answered."""


def resolve_ids(bundle: Bundle, deployed: Deployed) -> Bundle:
    """Return the bundle with every `${resources.TYPE.KEY.FIELD}` replaced.

    A field is looked up in `deployed`, then in the configuration; the id and full name of
    schemas, registered models and volumes are derived if neither has them. References without a
    value are kept and added to the bundle's `unresolved`.

    Raises:
        BundleError: references are circular.
    """
    resources = bundle.config.get("resources", {})
    unresolved = dict(bundle.unresolved)

    def look_up(reference: str, at: Position | None) -> Any:  # noqa: ARG001
        head, *steps = split(reference)
        if head != "resources":
            return LEAVE
        kind, key, field = (str(step) for step in steps[:3])
        found = deployed.get(kind, {}).get(key, {}).get(field)
        if found is not None:
            return found
        settings = resources[kind][key]
        if field in ("id", "full_name") and kind in DERIVED:
            return ".".join(settings.get(part, "") for part in DERIVED[kind])
        value = settings
        for step in steps[2:]:
            try:
                value = step_into(value, step)
            except KeyError:
                unresolved[f"${{{reference}}}"] = (
                    "it is known after a deployment only, and the laptop makes no "
                    f"{kind.replace('_', ' ')}"
                    if kind not in MADE
                    else f"'{step}' is not configured and not known after a deployment"
                )
                return LEAVE
        return value

    config = Interpolation(look_up).resolve(bundle.config)
    return replace(bundle, config=config, unresolved=unresolved)


def check_branch(bundle: Bundle) -> None:
    """Check that the repository is on the target's branch, as a deployment does."""
    git = bundle.config["bundle"]["git"]
    wanted, actual = git.get("branch"), git.get("actual_branch")
    if wanted and actual and wanted != actual:
        raise BundleError(
            f"target {bundle.target} is deployed from branch {wanted}",
            got=actual,
            advice=f"Check out {wanted}, or choose another target.",
        )
