"""The plan of a release, saved in a file and compared before the deploy."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .commands import PROJECT, DeliveryError, read_bundle, read_commit

PLANS = PROJECT / "plan"


def draw_plan(target: str) -> dict[str, Any]:
    """Return the changes that a deploy would make now, and its wheel.

    Raises:
        DeliveryError: The CLI fails, or `dist/` does not hold exactly one wheel.
    """
    plan = read_bundle("plan", target=target)
    return {
        "target": target,
        "commit": read_commit(),
        "wheel": hash_wheel(PROJECT / "dist"),
        "state": {key: plan.get(key) for key in ("lineage", "serial")},
        "resources": {name: keep_decided(entry) for name, entry in plan["plan"].items()},
    }


def keep_decided(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a plan's resource that a deploy determines.

    Remote state, such as the time of the latest run, is left out unless the deploy would change it.
    """
    changes = {
        path: change
        for path, change in (entry.get("changes") or {}).items()
        if change["action"] != "skip"
    }
    return {"action": entry["action"], "new_state": entry.get("new_state"), "changes": changes}


def hash_wheel(folder: Path) -> str:
    """Return name and SHA-256 of the one wheel in a folder.

    Raises:
        DeliveryError: There is no wheel, or several.
    """
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        found = ", ".join(wheel.name for wheel in wheels) or "none"
        raise DeliveryError(f"dist/ must hold one wheel; it holds {found}. Run: make wheel")
    return f"{wheels[0].name} sha256:{hashlib.sha256(wheels[0].read_bytes()).hexdigest()}"


def save_plan(plan: Mapping[str, Any]) -> Path:
    """Write a plan to its file, and return the path."""
    PLANS.mkdir(exist_ok=True)
    file = PLANS / f"{plan['target']}.json"
    file.write_text(json.dumps(plan, indent=2, sort_keys=True) + "\n")
    return file


def load_plan(target: str) -> dict[str, Any]:
    """Return the saved plan.

    Raises:
        DeliveryError: There is no plan, or it cannot be read.
    """
    file = PLANS / f"{target}.json"
    try:
        plan: dict[str, Any] = json.loads(file.read_text())
    except FileNotFoundError:
        raise DeliveryError(
            f"There is no plan for {target}: plan/{file.name} is missing. "
            f"Run: make plan TARGET={target}"
        ) from None
    except json.JSONDecodeError as error:
        raise DeliveryError(f"plan/{file.name} cannot be read: {error}. Plan again.") from None
    return plan


def find_differences(planned: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the differences between two plans; empty if there are none."""
    differences = [
        f"{key}: planned {planned.get(key)}, now {now.get(key)}"
        for key in ("target", "commit", "wheel", "state")
        if planned.get(key) != now.get(key)
    ]
    before, after = planned.get("resources") or {}, now.get("resources") or {}
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            first, second = (
                "absent" if entry is None else entry["action"]
                for entry in (before.get(name), after.get(name))
            )
            ways = f"planned {first}, now {second}" if first != second else f"another {first}"
            differences.append(f"{name}: {ways}")
    return differences
