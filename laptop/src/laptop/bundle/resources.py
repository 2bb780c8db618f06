"""Values that the CLI adds to resources: presets, defaults, permissions, derived names."""

import posixpath
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from .documents import Block
from .errors import BundleError
from .values import merge_by

_NAME_FIELDS = {
    "alerts": "display_name",
    "clusters": "cluster_name",
    "dashboards": "display_name",
    "jobs": "name",
    "pipelines": "name",
    "sql_warehouses": "name",
}
_PLAIN_NAMED = ("model_serving_endpoints", "registered_models", "schemas")
_SECURABLES = ("registered_models", "schemas", "volumes")
_COMPUTE = ("new_cluster", "existing_cluster_id", "environment_key", "job_cluster_key")
_TRIGGERS = ("schedule", "trigger", "continuous")
_LEVELS = {
    "jobs": {"CAN_MANAGE": "CAN_MANAGE", "CAN_VIEW": "CAN_VIEW", "CAN_RUN": "CAN_MANAGE_RUN"},
    "experiments": {"CAN_MANAGE": "CAN_MANAGE", "CAN_VIEW": "CAN_READ"},
    "pipelines": {"CAN_MANAGE": "CAN_MANAGE", "CAN_VIEW": "CAN_VIEW", "CAN_RUN": "CAN_RUN"},
    "dashboards": {"CAN_MANAGE": "CAN_MANAGE", "CAN_VIEW": "CAN_READ"},
    "alerts": {"CAN_MANAGE": "CAN_MANAGE", "CAN_VIEW": "CAN_READ", "CAN_RUN": "CAN_RUN"},
}
_OWNED = ("jobs", "pipelines")
_RANKS = {
    level: rank
    for rank, level in enumerate(
        ["CAN_VIEW", "CAN_READ", "CAN_RUN", "CAN_EDIT", "CAN_MANAGE_RUN", "CAN_MANAGE", "IS_OWNER"]
    )
}
_PRINCIPALS = ("user_name", "service_principal_name", "group_name")


def join_lists(resources: Block) -> None:
    """Merge list items with the same key: tasks (then sorted), parameters, grants."""
    for job in _list(resources, "jobs"):
        for field, key in (("tasks", "task_key"), ("parameters", "name")):
            if field in job:
                job[field] = merge_by(key, job[field])
        if "tasks" in job:
            job["tasks"].sort(key=lambda task: str(task.get("task_key", "")))
        keys = [one.get("environment_key") for one in job.get("environments", [])]
        if len(keys) != len(set(keys)):
            what = "a job has two environments with one key; a target cannot change an environment"
            raise BundleError(what, got=next(key for key in keys if keys.count(key) > 1))
    for kind in _SECURABLES:
        for securable in _list(resources, kind):
            if "grants" in securable:
                securable["grants"] = merge_by("principal", securable["grants"])
                for grant in securable["grants"]:
                    grant["privileges"] = list(dict.fromkeys(grant.get("privileges", [])))


def link_schemas(resources: Block) -> None:
    """Replace names of the bundle's schemas by references, so that they get the prefix."""
    named = {
        (schema.get("catalog_name"), schema.get("name")): f"${{resources.schemas.{key}.name}}"
        for key, schema in resources.get("schemas", {}).items()
    }
    for settings in (*_list(resources, "registered_models"), *_list(resources, "volumes")):
        place = (settings.get("catalog_name"), settings.get("schema_name"))
        if place in named:
            settings["schema_name"] = named[place]


def apply_presets(resources: Block, presets: Block, *, prefix_schemas: bool) -> None:
    """Apply the presets to the resources: name prefix, tags, pause status, concurrent runs."""
    prefix = presets.get("name_prefix", "")
    tags = dict(sorted(presets.get("tags", {}).items()))
    if prefix:
        for kind, field in _NAME_FIELDS.items():
            for settings in _list(resources, kind):
                settings[field] = prefix + settings.get(field, "")
        for kind in _PLAIN_NAMED if prefix_schemas else _PLAIN_NAMED[:-1]:
            for settings in _list(resources, kind):
                settings["name"] = simplify_prefix(prefix) + settings.get("name", "")
    for pipeline in _list(resources, "pipelines"):
        pipeline.update({"development": True} if presets.get("pipelines_development") else {})
        if presets.get("trigger_pause_status") == "PAUSED" and "continuous" in pipeline:
            pipeline["continuous"] = False
        own = pipeline.get("tags", {})
        pipeline.update({"tags": Block(tags | own)} if tags else {})
    for experiment in _list(resources, "experiments"):
        folder, slash, name = experiment.get("name", "").rpartition("/")
        experiment["name"] = f"{folder}{slash}{prefix}{name}"
        own = experiment.get("tags", [])
        taken = {tag.get("key") for tag in own}
        own = own + [Block({"key": k, "value": v}) for k, v in tags.items() if k not in taken]
        experiment.update({"tags": own} if own else {})
    for job in _list(resources, "jobs"):
        own = {key: value for key, value in job.get("tags", {}).items() if value or key not in tags}
        job.update({"tags": Block(tags | own)} if tags or own else {})
        if "jobs_max_concurrent_runs" in presets and not job.get("max_concurrent_runs"):
            job["max_concurrent_runs"] = presets["jobs_max_concurrent_runs"]
        for trigger in _TRIGGERS:
            if trigger in job and presets.get("trigger_pause_status"):
                job[trigger].setdefault("pause_status", presets["trigger_pause_status"])
    for alert in _list(resources, "alerts"):
        schedule = alert.get("schedule", {})
        if schedule.get("quartz_cron_schedule") and presets.get("trigger_pause_status"):
            schedule.setdefault("pause_status", presets["trigger_pause_status"])


def simplify_prefix(prefix: str) -> str:
    """Return the prefix for names of letters, digits and underscores.

    `[dev ann] ` becomes `dev_ann_`, while `pr_17_` loses its last underscore.
    """
    stripped = prefix.replace("[", "").strip(" ")
    plain = "".join(sign if sign.isalnum() else "_" for sign in stripped.lower())
    words = "_".join(word for word in plain.split("_") if word)
    return words + ("_" if stripped.endswith("]") else "")


def apply_defaults(resources: Block, metadata: str, folder: str) -> None:
    """Set the CLI's default values.

    Args:
        resources: The resources.
        metadata: Path of the deployment's file.
        folder: Path of the folder for dashboards and alerts.
    """
    for job in _list(resources, "jobs"):
        job.setdefault("name", "Untitled")
        job.setdefault("max_concurrent_runs", 1)
        job.setdefault("queue", Block({"enabled": True}))
        for trigger in _TRIGGERS:
            if trigger in job:
                job[trigger].setdefault("pause_status", "UNPAUSED")
        job["deployment"] = Block({"kind": "BUNDLE", "metadata_file_path": metadata})
        job["edit_mode"] = "UI_LOCKED"
        job["format"] = "MULTI_TASK"
    for pipeline in _list(resources, "pipelines"):
        pipeline.setdefault("channel", "CURRENT")
        pipeline.setdefault("edition", "ADVANCED")
        pipeline["deployment"] = Block({"kind": "BUNDLE", "metadata_file_path": metadata})
    for volume in _list(resources, "volumes"):
        volume.setdefault("volume_type", "MANAGED")
    for alert in _list(resources, "alerts"):
        alert.setdefault("parent_path", folder)
    for dashboard in _list(resources, "dashboards"):
        dashboard.setdefault("embed_credentials", False)
        path = dashboard.setdefault("parent_path", folder)
        if not f"{path}/".startswith("/Workspace/"):
            dashboard["parent_path"] = posixpath.join("/Workspace", path.lstrip("/"))


def override_clusters(resources: Block, cluster: str | None) -> None:
    """Replace the compute of all tasks by the cluster of `cluster_id`."""
    for job in _list(resources, "jobs") if cluster else []:
        for task in job.get("tasks", []):
            inner = task.get("for_each_task", {}).get("task", task)
            named = [key for key in _COMPUTE if inner.get(key)]
            for key in named:
                del inner[key]
            inner.update({"existing_cluster_id": cluster} if named else {})


def apply_run_as(resources: Block, run_as: Block) -> None:
    """Set the bundle's `run_as` in each job and alert without a `run_as`."""
    if len([name for name in run_as.values() if name]) != 1:
        at = next(iter(run_as.at.values()), None)
        raise BundleError("run_as must name exactly one identity", allowed=_PRINCIPALS, at=at)
    for settings in (*_list(resources, "jobs"), *_list(resources, "alerts")):
        settings.setdefault("run_as", Block(run_as))


def apply_permissions(resources: Block, permissions: list[Any], user: str) -> None:
    """Add the bundle's permissions and the deploying user's to resources with permissions."""
    for one in permissions:
        if one.get("level") not in _LEVELS["jobs"]:
            at = one.at.get("level")
            got = one.get("level", "none")
            raise BundleError("unknown permission level", got=got, allowed=_LEVELS["jobs"], at=at)
    own = ("service_principal_name" if _is_application_id(user) else "user_name", user)
    for kind, levels in _LEVELS.items():
        for settings in _list(resources, kind):
            granted = _keep_highest(
                (_name_principal(one), one.get("level", ""))
                for one in settings.pop("permissions", [])
            )
            shared = _keep_highest(
                (_name_principal(one), levels[one["level"]])
                for one in permissions
                if one["level"] in levels
            )
            granted |= {who: level for who, level in shared.items() if who not in granted}
            if granted:
                owned = kind not in _OWNED or "IS_OWNER" in granted.values()
                if granted.get(own) != "IS_OWNER":
                    granted[own] = "CAN_MANAGE" if owned else "IS_OWNER"
                settings["permissions"] = [
                    Block({"level": level, key: name}) for (key, name), level in granted.items()
                ]


def _keep_highest(grants: Iterable[tuple[tuple[str, str], str]]) -> dict[tuple[str, str], str]:
    granted: dict[tuple[str, str], str] = {}
    for who, level in grants:
        granted[who] = max(granted.get(who, level), level, key=lambda one: _RANKS.get(one, 0))
    return granted


def _is_application_id(user: str) -> bool:
    try:
        UUID(user)
    except ValueError:
        return False
    return True


def _name_principal(permission: Block) -> tuple[str, str]:
    for key in _PRINCIPALS:
        if permission.get(key):
            return key, permission[key]
    at = next(iter(permission.at.values()), None)
    raise BundleError("a permission must name whom it is for", allowed=_PRINCIPALS, at=at)


def _list(resources: Block, kind: str) -> list[Block]:
    return list(resources.get(kind, {}).values())
