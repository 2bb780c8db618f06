"""Content of a workspace without ids and times that differ between runs."""

import re
from typing import Any

# Alerts and dashboards, of which a bundle has one each, and jobs with references to them.
NUMBERED = re.compile(r"^(/(?:alertsv2|dashboards))/.*$")
JOB = re.compile(r"^(--[a-z]+_job=)\d+$")
_VOLATILE = {
    "artifact_location",
    "created_at",
    "creation_time",
    "experiment_id",
    "job_id",
    "last_update_time",
    "metastore_id",
    "object_id",
    "schema_id",
    "updated_at",
    "created_time",
}


def summarize(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state by names, equal for deployments with equal results.

    Resources are lists, so that duplicates are detected. Of the deployment's state files only the
    names are kept, because their content has ids and times.
    """
    names = {f"/directories/{number}": path for path, number in state["folders"].items()}
    names |= {f"/jobs/{number}": job["settings"]["name"] for number, job in state["jobs"].items()}
    names |= {
        f"/experiments/{number}": one["experiment"]["name"]
        for number, one in state["experiments"].items()
    }
    kinds = ("jobs", "schemas", "registered_models", "experiments")
    return {
        **{kind: sorted(map(_strip, state[kind].values()), key=str) for kind in kinds},
        "permissions": {
            names.get(number, NUMBERED.sub(r"\1", number)): one["access_control_list"]
            for number, one in state["permissions"].items()
        },
        "grants": state["grants"],
        "files": {
            path: "" if "/state/" in path else content for path, content in state["files"].items()
        },
        "folders": sorted(state["folders"]),
    }


def _strip(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _strip(item) for key, item in value.items() if key not in _VOLATILE}
    if isinstance(value, str):
        return JOB.sub(r"\1", value)
    return [_strip(item) for item in value] if isinstance(value, list) else value
