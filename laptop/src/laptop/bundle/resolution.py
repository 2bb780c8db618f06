"""From a bundle's files to its one resolved configuration."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from .documents import ROOT_FILE, Block, Text, list_includes, read_document
from .errors import BundleError, Position
from .lookup import Lookup, look_up_volume_path
from .paths import Upload, place_artifacts, place_sync, place_tasks
from .references import Interpolation
from .repository import read_git
from .resources import (
    apply_defaults,
    apply_permissions,
    apply_presets,
    apply_run_as,
    join_lists,
    link_schemas,
)
from .schema import RESOURCES, ROOT
from .schema_types import conform
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
    """Who deploys: the user's name (`ann@example.com`) and its short form (`ann`)."""

    user_name: str
    short_name: str


@dataclass(frozen=True)
class Bundle:
    """One target of a bundle, resolved.

    Attributes:
        root: the directory of `databricks.yml`.
        name: the bundle's name.
        target: the target's name.
        config: the whole configuration, shaped like `databricks bundle validate -o json`.
    """

    root: Path
    name: str
    target: str
    config: Mapping[str, Any]

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
    def experiments(self) -> Mapping[str, Any]:
        """The experiments' settings, by key."""
        return self._resources("experiments")

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
) -> Bundle:
    """Resolve a bundle for one target, as `databricks bundle validate -o json` does.

    References to `${resources.…}` stay, but for a volume's path: see `resolve_ids`.

    Args:
        root: the directory of `databricks.yml`.
        target: the target's name; without it the default one.
        variables: values that beat every other.
        identity: who deploys.

    Raises:
        BundleError: anything in the bundle is not as it must be; nothing has been done by then.
    """
    root = root.resolve()
    tree = _load(root)
    name = choose_target(tree, target)
    chosen: Block = (tree.get("targets") or Block()).get(name) or Block()
    explicit_root = bool(chosen.get("workspace", {}).get("root_path"))
    tree = apply_target(tree, name)
    _describe(tree, root, identity)
    assign_values(tree.get("variables", Block()), variables, _read_overrides(root, name))

    tree = Interpolation(Lookup(tree)).resolve(tree)
    for key in _TYPED & tree.keys():
        tree[key] = conform(tree[key], ROOT.fields[key], key, tree.at.get(key))
    apply_mode(tree)
    upload = Upload(root, place_sync(tree, root), tree["workspace"]["file_path"])
    path = root.relative_to(upload.base).as_posix()
    tree["bundle"]["git"].setdefault("bundle_root_path", path)
    dynamic = tree.get("presets", {}).get("artifacts_dynamic_version", False)
    place_artifacts(tree.get("artifacts", Block()), root, dynamic=dynamic)
    if "resources" in tree:
        tree["resources"] = _finish_resources(tree, upload)
        tree["resources"] = Interpolation(look_up_volume_path(tree)).resolve(tree["resources"])
    check_mode(tree, explicit_root=explicit_root)
    return Bundle(root, tree["bundle"]["name"], name, _strip(tree))


def _load(root: Path) -> Block:
    """Read, checks and merges the files; every key is known to be allowed afterwards."""
    tree = _check(read_document(root, PurePosixPath(ROOT_FILE)))
    names = list(list_includes(root, tree))
    documents = [tree, *(_check(read_document(root, name)) for name in names)]
    _refuse_repeated(documents)
    for document in documents[1:]:
        if "include" in document:
            raise BundleError("include belongs in databricks.yml", at=document.at["include"])
        tree = merge(tree, document)
    if not tree.get("bundle", {}).get("name"):
        raise BundleError(f"{ROOT_FILE} has no name for the bundle", advice="Set bundle.name.")
    if "include" in tree:
        tree["include"] = [str(name) for name in names]
    return tree


def _check(document: Block) -> Block:
    checked: Block = conform(read_shorthand(document), ROOT, "")
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
    """Write what is known of the repository, the user and the workspace's paths, in place."""
    bundle = tree["bundle"]
    bundle["git"] = Block(read_git(root) | bundle.get("git", {}))
    workspace = tree.setdefault("workspace", Block())
    workspace["current_user"] = Block(
        {
            "userName": identity.user_name,
            "short_name": identity.short_name,
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


def _finish_resources(tree: Block, upload: Upload) -> Block:
    resources: Block = tree["resources"]
    join_lists(resources)
    link_schemas(resources)
    if "run_as" in tree:
        apply_run_as(resources, tree["run_as"])
    bare = tree.get("experimental", {}).get("skip_name_prefix_for_schema", False)
    apply_presets(resources, tree.get("presets", Block()), prefix_schemas=not bare)
    user = tree["workspace"]["current_user"]["userName"]
    apply_permissions(resources, tree.get("permissions", []), user)
    finished: Block = conform(resources, RESOURCES, "resources", final=True)
    apply_defaults(finished, posixpath.join(tree["workspace"]["state_path"], "metadata.json"))
    for job in finished.get("jobs", {}).values():
        if "git_source" not in job:
            place_tasks(job, upload)
    return finished


def _strip(value: Any) -> Any:
    """Return plain data: mappings, lists and scalars that know no lines."""
    if isinstance(value, dict):
        return {key: _strip(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strip(item) for item in value]
    return str(value) if isinstance(value, Text) else value
