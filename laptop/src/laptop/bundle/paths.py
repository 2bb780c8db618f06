"""Relative paths: resolved from the file that contains them, rewritten as by the CLI."""

import os
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from .documents import Block, Text
from .errors import BundleError, Position

_ELSEWHERE = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*:")
_VERSION = r"(\d+!)?\d+(\.\d+)*([-_.]?(a|b|rc)\d+)?([-_.]?post\d+)?([-_.]?dev\d+)?(\+[\w.-]+)?"
_PACKAGE = re.compile(
    rf"[\w-]+\s?(\[.*\])?\s?((==|!=|<=|>=|~=|>|<)\s?{_VERSION},?)*|.* @ .*|--?[\w-]+([\s|=].*)?"
)
_FILE_FLAG = re.compile(r"(-r|-e) +(.+)")
# The CLI's default build command for wheels.
BUILD_SETUP = "python3 setup.py bdist_wheel"
_NOTEBOOK_MARK = "Databricks notebook source"


def place_sync(tree: Block, root: Path) -> Path:
    """Rewrite `sync` relative to the sync root, and return the sync root.

    It is the bundle's root, or the nearest directory above it that contains all paths of `sync`.
    """
    sync = tree.setdefault("sync", Block())
    sync.setdefault("paths", ["."])
    base = Path(os.path.commonpath([root, *(_locate(path, root) for path in sync["paths"])]))
    for key, paths in sync.items():
        sync[key] = [posixpath.relpath(_locate(path, root), base) for path in paths]
    return base


def add_python_artifact(tree: Block, root: Path) -> None:
    """Declare the wheel of a `setup.py` if no artifact is declared but a task has a local one."""
    if "artifacts" in tree or not (root / "setup.py").is_file():
        return
    jobs = tree.get("resources", {}).get("jobs", {}).values()
    named = [
        text
        for job in jobs
        for environment in job.get("environments", [])
        for text in environment.get("spec", {}).get("dependencies", [])
    ]
    named += [
        library.get("whl", library.get("jar", ""))
        for job in jobs
        for task in _walk_tasks(job)
        for library in task.get("libraries", [])
    ]
    if any(map(_is_local, named)):
        artifact = Block({"type": "whl", "path": Text(".", Position(PurePosixPath("x"), 1))})
        tree["artifacts"] = Block({"python_artifact": artifact})


def keep_newest(files: Iterable[Path]) -> list[Path]:
    """Return the newest wheel of each distribution, and all files that are not wheels."""
    kept: dict[str, tuple[Any, Path]] = {}
    for file in sorted(files):
        try:
            name, version, *_ = parse_wheel_filename(file.name)
        except InvalidWheelFilename:
            kept[str(file)] = (None, file)
            continue
        if name not in kept or version > kept[name][0]:
            kept[name] = (version, file)
    return [file for _, file in kept.values()]


def _is_local(dependency: str) -> bool:
    plain = _PACKAGE.fullmatch(dependency) or _ELSEWHERE.match(dependency)
    return bool(dependency) and (dependency.startswith(".") or not plain)


def place_artifacts(artifacts: Block, root: Path, *, dynamic: bool) -> None:
    """Make the paths of the artifacts absolute, and set the default output path of wheels.

    With `dynamic`, each build changes the wheel's version.

    Raises:
        BundleError: an artifact has neither `build` nor `files`, or a path does not exist.
    """
    for name, artifact in artifacts.items():
        at = artifacts.at.get(name)
        is_wheel = artifact.get("type") == "whl"
        if is_wheel and not artifact.get("build") and not artifact.get("files"):
            artifact["build"] = BUILD_SETUP
        if not artifact.get("build") and not artifact.get("files"):
            raise BundleError(f"artifact {name} must say `build` or `files`", at=at)
        artifact["path"] = _locate(artifact["path"], root) if "path" in artifact else str(root)
        if not Path(artifact["path"]).is_dir():
            raise BundleError(f"artifact {name} has no directory", got=artifact["path"], at=at)
        for file in artifact.get("files", []):
            file["source"] = _locate(file.get("source", ""), root)
        if artifact.get("files") and not artifact.get("build"):
            artifact["files"] = [
                Block({"source": str(found)})
                for file in artifact["files"]
                for found in _expand(file["source"], name, at)
            ]
        if is_wheel:
            wheels = posixpath.join(artifact["path"], "dist", "*.whl")
            artifact.setdefault("files", [Block({"source": wheels})])
            artifact.update({"dynamic_version": True} if dynamic else {})


def _expand(source: str, name: str, at: Position | None) -> list[Path]:
    found = keep_newest(Path("/").glob(source.lstrip("/")))
    if not found:
        raise BundleError(f"artifact {name}: no such file", got=source, at=at)
    return found


@dataclass(frozen=True)
class Upload:
    """Mapping of files: relative to `root`, in the sync root `base`, uploaded to `remote`."""

    root: Path
    base: Path
    remote: str

    def place(self, path: Text, *, notebook: bool | None = False) -> str:
        """Return a file's path in the workspace; notebooks have no suffix."""
        found = Path(_locate(path, self.root))
        if not found.exists() or not found.is_relative_to(self.base):
            raise BundleError(
                f"no such file among those synchronized from {self.base}", got=path, at=path.at
            )
        if notebook is not None and notebook != _is_notebook(found):
            wanted = "a notebook" if notebook else "a file that is not a notebook"
            raise BundleError(f"{wanted} is wanted here", got=path, at=path.at)
        remote = PurePosixPath(self.remote, found.relative_to(self.base).as_posix())
        return str(remote.with_suffix("") if notebook else remote)

    def relate(self, path: Text) -> str:
        """Return a file's path relative to the sync root."""
        return posixpath.relpath(_locate(path, self.root), self.base)

    def place_dependency(self, dependency: Text) -> str:
        """Return an environment's dependency, with its path rewritten if it is a local file."""
        flagged = _FILE_FLAG.fullmatch(dependency)
        if flagged and not _ELSEWHERE.match(flagged[2].strip()):
            path = Text(flagged[2].strip(), dependency.at)
            return f"{flagged[1]} {self.place(path, notebook=None)}"
        if not _is_local(dependency):
            return dependency
        related = self.relate(dependency)
        return related if related.startswith(".") else f"./{related}"

    def place_pattern(self, path: Text) -> str:
        """Return the workspace path of a folder or pattern, which need not match any files."""
        return posixpath.normpath(posixpath.join(self.remote, self.relate(path)))


def place_dashboard(dashboard: Block, upload: Upload) -> None:
    """Set a dashboard's definition from its file.

    Raises:
        BundleError: the file does not exist.
    """
    if "file_path" not in dashboard:
        return
    at = dashboard.at.get("file_path")
    file = Path(_locate(dashboard["file_path"], upload.root))
    if not file.is_file():
        raise BundleError("a dashboard has no such file", got=file, at=at)
    dashboard["file_path"] = file.relative_to(upload.base).as_posix()
    dashboard["serialized_dashboard"] = file.read_text(encoding="utf-8")


def place_pipeline(pipeline: Block, upload: Upload) -> None:
    """Rewrite the file paths of a pipeline, in place."""
    for library in pipeline.get("libraries", []):
        _rewrite(library.get("notebook"), "path", partial(upload.place, notebook=True))
        _rewrite(library.get("file"), "path", upload.place)
        _rewrite(library.get("glob"), "include", upload.place_pattern)
    _rewrite(pipeline, "root_path", upload.place_pattern)
    dependencies = pipeline.get("environment", {}).get("dependencies", [])
    dependencies[:] = [upload.place_dependency(one) for one in dependencies]


def place_tasks(job: Block, upload: Upload) -> None:
    """Rewrite the file paths of a job's tasks and environments, in place."""
    for task in _walk_tasks(job):
        _rewrite(task.get("notebook_task"), "notebook_path", partial(upload.place, notebook=True))
        _rewrite(task.get("spark_python_task"), "python_file", upload.place)
        _rewrite(task.get("dbt_task"), "project_directory", upload.place_pattern)
        _rewrite(task.get("sql_task", {}).get("file"), "path", upload.place)
        for library in task.get("libraries", []):
            _rewrite(library, "requirements", upload.place)
            _rewrite(library, "whl", upload.relate)
            _rewrite(library, "jar", upload.relate)
    for environment in job.get("environments", []):
        dependencies = environment.get("spec", {}).get("dependencies", [])
        dependencies[:] = [upload.place_dependency(one) for one in dependencies]


def _walk_tasks(job: Block) -> Iterator[Block]:
    for task in job.get("tasks", []):
        yield task
        if "task" in task.get("for_each_task", {}):
            yield task["for_each_task"]["task"]


def _rewrite(settings: Block | None, field: str, change: Callable[[Text], str]) -> None:
    if settings and field in settings and not _ELSEWHERE.match(settings[field]):
        settings[field] = change(settings[field])


def _is_notebook(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as lines:
        return path.suffix == ".ipynb" or _NOTEBOOK_MARK in lines.readline()


def _locate(path: str, root: Path) -> str:
    folder = path.at.file.parent if isinstance(path, Text) else PurePosixPath()
    return posixpath.normpath(posixpath.join(root.as_posix(), folder.as_posix(), path))
