"""Resolution of a bundle's files to one configuration."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from .documents import Block, Text, find_root_file, list_includes, read_document
from .errors import BundleError, Position
from .lookup import Lookup, look_up_volume_path
from .paths import (
    Upload,
    add_python_artifact,
    place_artifacts,
    place_dashboard,
    place_pipeline,
    place_sync,
    place_tasks,
)
from .references import Interpolation
from .repository import read_git
from .resources import (
    apply_defaults,
    apply_permissions,
    apply_presets,
    apply_run_as,
    join_lists,
    link_schemas,
    override_clusters,
)
from .schema import RESOURCES, ROOT
from .schema_types import Warn, conform
from .targets import apply_mode, apply_target, check_mode, choose_target, read_shorthand
from .values import merge
from .variables import assign_values

_FOLDERS = {
    "file_path": "files",
    "resource_path": "resources",
    "artifact_path": "artifacts",
    "state_path": "state",
}
_TYPED = {"artifacts", "permissions", "presets", "resources", "run_as", "scripts", "sync"}
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Identity:
    """The deploying user: name (`ann@example.com`), short form (`ann`), more SCIM fields."""

    user_name: str
    short_name: str
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bundle:
    """One target of a bundle, resolved.

    Attributes:
        root: the directory of `databricks.yml`.
        name: the bundle's name.
        target: the target's name.
        config: the whole configuration, shaped like `databricks bundle validate -o json`.
        warnings: the CLI's warnings, without duplicates.
        unresolved: references that stay in the configuration, with the reason; a resource that
            needs one cannot be run.
        base: the sync root, to which local dependencies are relative.
    """

    root: Path
    name: str
    target: str
    config: Mapping[str, Any]
    warnings: tuple[BundleError, ...] = ()
    unresolved: Mapping[str, str] = field(default_factory=dict)
    base: Path = Path()

    @property
    def jobs(self) -> Mapping[str, Any]:
        """The jobs' settings, by key."""
        return self._resources("jobs")

    @property
    def schemas(self) -> Mapping[str, Any]:
        """The schemas' settings, by key."""
        return self._resources("schemas")

    @property
    def registered_models(self) -> Mapping[str, Any]:
        """The registered models' settings, by key."""
        return self._resources("registered_models")

    @property
    def volumes(self) -> Mapping[str, Any]:
        """The volumes' settings, by key."""
        return self._resources("volumes")

    @property
    def experiments(self) -> Mapping[str, Any]:
        """The experiments' settings, by key."""
        return self._resources("experiments")

    @property
    def alerts(self) -> Mapping[str, Any]:
        """The alerts' settings, by key."""
        return self._resources("alerts")

    @property
    def dashboards(self) -> Mapping[str, Any]:
        """The dashboards' settings, by key, each with its definition in `serialized_dashboard`."""
        return self._resources("dashboards")

    @property
    def artifacts(self) -> Mapping[str, Any]:
        """The artifacts' settings, by key."""
        artifacts: Mapping[str, Any] = self.config.get("artifacts", {})
        return artifacts

    def _resources(self, kind: str) -> Mapping[str, Any]:
        settings: Mapping[str, Any] = self.config.get("resources", {}).get(kind, {})
        return settings


def resolve(
    root: Path,
    *,
    target: str | None = None,
    variables: Mapping[str, str] = _NOTHING,
    identity: Identity,
    warehouses: Mapping[str, str] = _NOTHING,
    has_clusters: bool = True,
) -> Bundle:
    """Resolve a bundle for one target, as `databricks bundle validate -o json` does.

    References to `${resources.…}` are kept, except volume paths: see `resolve_ids`.

    Args:
        root: the directory of `databricks.yml`.
        target: the target's name; the default target if None.
        variables: values that override all others.
        identity: the deploying user.
        warehouses: the ids of the workspace's SQL warehouses, by name.
        has_clusters: whether a `cluster_id` overrides the compute of tasks.

    Raises:
        BundleError: the bundle is invalid; nothing has been changed.
    """
    root = root.resolve()
    warnings: dict[str, BundleError] = {}

    def warn(warning: BundleError) -> None:
        warnings.setdefault(warning.brief, warning)

    tree = _load(root, warn)
    name = choose_target(tree, target)
    chosen: Block = (tree.get("targets") or Block()).get(name) or Block()
    explicit_root = bool(chosen.get("workspace", {}).get("root_path"))
    tree = apply_target(tree, name)
    _describe(tree, root, identity)
    written = _read_overrides(root, name)
    unresolved = assign_values(tree.get("variables", Block()), variables, written, warehouses)

    tree = Interpolation(Lookup(tree)).resolve(tree)
    for key in _TYPED & tree.keys():
        tree[key] = conform(tree[key], ROOT.fields[key], key, tree.at.get(key), warn=warn)
    apply_mode(tree)
    upload = Upload(root, place_sync(tree, root), tree["workspace"]["file_path"])
    path = root.relative_to(upload.base).as_posix()
    tree["bundle"]["git"].setdefault("bundle_root_path", path)
    dynamic = tree.get("presets", {}).get("artifacts_dynamic_version", False)
    add_python_artifact(tree, root)
    place_artifacts(tree.get("artifacts", Block()), root, dynamic=dynamic)
    if "resources" in tree:
        tree["resources"] = _finish_resources(tree, upload, warn)
        if has_clusters:
            override_clusters(tree["resources"], tree["bundle"].get("cluster_id"))
        tree["resources"] = Interpolation(look_up_volume_path(tree)).resolve(tree["resources"])
    check_mode(tree, explicit_root=explicit_root)
    for key in {"python", "experimental"} & tree.keys():
        if key == "python" or {"python", "pydabs"} & tree[key].keys():
            what = "resources declared in Python are not read on the laptop"
            warn(BundleError(what, at=tree.at.get(key)))
    return Bundle(
        root,
        tree["bundle"]["name"],
        name,
        _strip(tree),
        tuple(warnings.values()),
        unresolved,
        upload.base,
    )


def list_targets(root: Path) -> list[str | None]:
    """Return the names of all targets, with those of includes; [None] if there are none."""
    return list(_load(root.resolve(), lambda _: None).get("targets") or [None])


def _load(root: Path, warn: Warn) -> Block:
    """Read, validate and merge the files."""
    own = find_root_file(root)
    tree = _check(read_document(root, own), warn)
    names = list(list_includes(root, tree))
    documents = [tree, *(_check(read_document(root, name), warn) for name in names)]
    _refuse_repeated(documents)
    for document in documents[1:]:
        if "include" in document:
            what = f"include is left out: it belongs in {own}"
            warn(BundleError(what, at=document.at["include"]))
            del document["include"]
        tree = merge(tree, document)
    if not tree.get("bundle", {}).get("name"):
        raise BundleError(f"{own} has no name for the bundle", advice="Set bundle.name.")
    tree.pop("include", None)
    tree.update({"include": [str(name) for name in names]} if names else {})
    return tree


def _check(document: Block, warn: Warn) -> Block:
    checked: Block = conform(read_shorthand(document), ROOT, "", warn=warn)
    for place in (checked.get("bundle", {}), *checked.get("targets", {}).values()):
        if "compute_id" in place:
            at = place.at["compute_id"]
            warn(BundleError("compute_id is deprecated: write cluster_id", at=at))
            place["cluster_id"] = place.pop("compute_id")
    return checked


def _refuse_repeated(documents: list[Block]) -> None:
    lines: dict[str, Position] = {}
    for document in documents:
        for resources in document.get("resources", {}).values():
            for key, at in resources.at.items():
                if key in lines:
                    what = f"two resources have one key, the other in {lines[key]}"
                    raise BundleError(what, got=key, at=at)
                lines[key] = at


def _read_overrides(root: Path, target: str) -> Block:
    name = PurePosixPath(".databricks", "bundle", target, "variable-overrides.json")
    return read_document(root, name) if (root / name).is_file() else Block()


def _describe(tree: Block, root: Path, identity: Identity) -> None:
    """Set the metadata of repository, user and workspace paths, in place."""
    bundle = tree["bundle"]
    bundle["git"] = Block(read_git(root) | bundle.get("git", {}))
    workspace = tree.setdefault("workspace", Block())
    workspace["current_user"] = Block(
        {
            "userName": identity.user_name,
            "short_name": identity.short_name,
            **identity.more,
            "domain_friendly_name": re.sub(r"[^a-z0-9]", "-", identity.short_name.lower()),
        }
    )
    top = workspace.get("root_path") or f"~/.bundle/{bundle['name']}/{bundle['target']}"
    if top.startswith("~/"):
        top = posixpath.join("/Workspace/Users", identity.user_name, top[2:])
    workspace["root_path"] = top
    for key, folder in _FOLDERS.items():
        workspace[key] = workspace.get(key) or posixpath.join(top, folder)
    for key in ("root_path", *_FOLDERS):
        path = workspace[key]
        if path.startswith("/") and not path.startswith(("/Workspace/", "/Volumes/")):
            workspace[key] = f"/Workspace{path}"


def _finish_resources(tree: Block, upload: Upload, warn: Warn) -> Block:
    resources: Block = tree["resources"]
    join_lists(resources)
    link_schemas(resources)
    if "run_as" in tree:
        apply_run_as(resources, tree["run_as"])
    bare = tree.get("experimental", {}).get("skip_name_prefix_for_schema", False)
    apply_presets(resources, tree.get("presets", Block()), prefix_schemas=not bare)
    user = tree["workspace"]["current_user"]["userName"]
    apply_permissions(resources, tree.get("permissions", []), user)
    finished: Block = conform(resources, RESOURCES, "resources", warn=warn, final=True)
    workspace = tree["workspace"]
    metadata = posixpath.join(workspace["state_path"], "metadata.json")
    apply_defaults(finished, metadata, workspace["resource_path"])
    for dashboard in finished.get("dashboards", {}).values():
        place_dashboard(dashboard, upload)
    for pipeline in finished.get("pipelines", {}).values():
        place_pipeline(pipeline, upload)
    for job in finished.get("jobs", {}).values():
        if "git_source" not in job:
            place_tasks(job, upload)
    return finished


def _strip(value: Any) -> Any:
    """Return plain mappings, lists and scalars without positions."""
    if isinstance(value, dict):
        return {key: _strip(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strip(item) for item in value]
    return str(value) if isinstance(value, Text) else value
