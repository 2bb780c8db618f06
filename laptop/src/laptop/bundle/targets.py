"""Targets: selection, overrides, and the defaults and checks of the deployment modes."""

from typing import Any

from .documents import Block
from .errors import BundleError
from .values import merge

_MERGED = ("artifacts", "bundle", "permissions", "presets", "resources", "sync", "workspace")
_USER_PATHS = ("root_path", "file_path", "resource_path", "artifact_path", "state_path")


def read_shorthand(tree: Block) -> Block:
    """Expand shorthand forms of targets and variables, in place."""
    for name, variable in _list_items(tree.get("variables")):
        tree["variables"][name] = Block() if variable is None else variable
    for name, target in _list_items(tree.get("targets")):
        tree["targets"][name] = target = Block() if target is None else target
        variables = target.get("variables") if isinstance(target, Block) else None
        for key, value in _list_items(variables):
            if not _is_definition(value):
                line = target["variables"].at[key]
                target["variables"][key] = Block({"default": value}, {"default": line})
    return tree


def _list_items(section: Any) -> list[tuple[str, Any]]:
    return list(section.items()) if isinstance(section, Block) else []


def _is_definition(value: Any) -> bool:
    keys = set(value) if isinstance(value, Block) else set()
    defined = "default" in keys and keys <= {"default", "type", "description"}
    return defined or ("lookup" in keys and keys <= {"lookup", "description"})


def choose_target(tree: Block, wanted: str | None) -> str:
    """Return the target's name: the wanted one, the only one or the default one."""
    targets = tree.get("targets") or {"default": {}}
    if wanted is not None and wanted not in targets:
        raise BundleError("unknown target", got=wanted, allowed=targets)
    defaults = [name for name, target in targets.items() if target.get("default")]
    names: list[str] = [wanted] if wanted else list(targets) if len(targets) == 1 else defaults
    if len(names) != 1:
        raise BundleError(
            "one target must be the default",
            got=", ".join(defaults) or "none",
            allowed=targets,
            advice="Name a target with -t, or set `default: true` on exactly one.",
        )
    return names[0]


def apply_target(tree: Block, name: str) -> Block:
    """Return the configuration with one target merged into it and the targets removed."""
    target: Block = (tree.get("targets") or {}).get(name) or Block()
    merged = Block({key: value for key, value in tree.items() if key != "targets"}, tree.at)
    for key in _MERGED:
        if key in target:
            merged[key] = merge(merged.get(key), target[key], target.at[key])
    if "run_as" in target:
        merged["run_as"] = target["run_as"]
    variables = merged.get("variables", Block())
    for key, override in (target.get("variables") or Block()).items():
        if key not in variables:
            at = target["variables"].at[key]
            raise BundleError(
                "a target sets an unknown variable", got=key, allowed=variables, at=at
            )
        kept = {k: v for k, v in variables[key].items() if k not in ("default", "lookup")}
        variables[key] = Block({**override, **kept}, override.at)
    bundle = merged["bundle"]
    bundle.update(target=name, environment=name)
    bundle.update({"mode": target["mode"]} if "mode" in target else {})
    if "cluster_id" in target:
        bundle["cluster_id"] = target["cluster_id"]
    if "git" in target:
        bundle["git"] = merge(bundle.get("git"), target["git"])
    return merged


def apply_mode(tree: Block) -> None:
    """Set the defaults of development mode, in place."""
    if tree["bundle"].get("mode") != "development":
        return
    short_name = tree["workspace"]["current_user"]["short_name"]
    tree["bundle"].setdefault("deployment", Block()).setdefault("lock", Block())
    tree["bundle"]["deployment"]["lock"].setdefault("enabled", False)
    presets = tree.setdefault("presets", Block())
    presets["name_prefix"] = presets.get("name_prefix") or f"[dev {short_name}] "
    presets["jobs_max_concurrent_runs"] = presets.get("jobs_max_concurrent_runs") or 4
    presets["trigger_pause_status"] = presets.get("trigger_pause_status") or "PAUSED"
    presets.setdefault("tags", Block()).setdefault("dev", short_name)
    presets.setdefault("pipelines_development", True)


def check_mode(tree: Block, *, explicit_root: bool) -> None:
    """Check the requirements of the target's mode.

    Args:
        tree: the resolved configuration.
        explicit_root: whether the target sets `workspace.root_path`.

    Raises:
        BundleError: a development target is shared by users, or production may be deployed twice.
    """
    mode = tree["bundle"].get("mode")
    jobs = tree.get("resources", {}).get("jobs", {})
    if mode == "development":
        _check_development(tree["workspace"], tree["presets"])
    shared = explicit_root or all("run_as" in job for job in jobs.values())
    if mode == "production" and not shared:
        raise BundleError(
            "a target with `mode: production` must set workspace.root_path",
            advice="Write /Workspace/Users/NAME/.bundle/${bundle.name}/${bundle.target}, "
            "so that there is one copy of it.",
        )


def _check_development(workspace: Block, presets: Block) -> None:
    user = workspace["current_user"]
    wanted = [(f"workspace.{key}", workspace[key], workspace.at.get(key)) for key in _USER_PATHS]
    prefix = presets["name_prefix"]
    wanted.append(("presets.name_prefix", prefix, presets.at.get("name_prefix")))
    for what, value, at in wanted:
        if user["userName"] not in value and user["short_name"] not in value:
            raise BundleError(
                f"with `mode: development` {what} must hold the user's name",
                got=value,
                advice="Leave it out, or put ${workspace.current_user.short_name} in it.",
                at=at,
            )
    if presets["trigger_pause_status"] != "PAUSED":
        raise BundleError(
            "with `mode: development` presets.trigger_pause_status must not be UNPAUSED",
            at=presets.at.get("trigger_pause_status"),
        )
