"""Wheels of tasks: unpacked by content hash and put first on the path."""

import hashlib
import importlib.metadata
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .errors import JobError, UnknownName
from .graph import Job, Wheel
from .requirements import check_dependency


def is_wheel(dependency: str) -> bool:
    """Return whether a dependency is a local wheel."""
    return dependency.endswith(".whl") and ":" not in dependency and dependency[0] != "-"


def unpack(wheel: Path, wheels: Path) -> Path:
    """Return the folder with a wheel's content; unpack the wheel if it is new."""
    if not wheel.is_file():
        raise JobError(f"The environment names the wheel {wheel}, which does not exist.")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()[:16]
    folder = wheels / f"{wheel.name.split('-')[0]}-{digest}"
    if folder.is_dir():
        return folder
    wheels.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=wheels, prefix=".unpacking-"))
    try:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(draft)
        draft.rename(folder)
    except zipfile.BadZipFile:
        raise JobError(f"{wheel} is not a wheel: it cannot be unpacked.") from None
    except OSError:
        # Another run may have unpacked the same wheel first.
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def place(dependency: str, state_dir: Path, find_file: Callable[[str], Path]) -> Path:
    """Return a wheel's file: uploaded, in the state folder, or elsewhere on this machine."""
    uploaded = dependency.startswith("/Workspace/")
    return find_file(dependency) if uploaded else state_dir / dependency


def find_distribution(folders: Iterable[Path], package: str) -> importlib.metadata.Distribution:
    """Return a package's metadata from unpacked wheels."""
    names = []
    for distribution in importlib.metadata.distributions(path=[str(f) for f in folders]):
        if canonicalize_name(distribution.name) == canonicalize_name(package):
            return distribution
        names.append(distribution.name)
    raise UnknownName("package", package, names, "The environment's wheels hold")


def prepare(job: Job, wheels: Path, find_file: Callable[[str], Path]) -> dict[str, list[str]]:
    """Unpack the wheels of every task and check what they require.

    Args:
        job: The job about to run.
        wheels: Folder for unpacked wheels.
        find_file: Returns the local file for a workspace path.

    Returns:
        For each wheel task the folders to put first on its path.

    Raises:
        JobError: A missing wheel, package, entry point or requirement.
    """
    paths: dict[str, list[str]] = {}
    for task in job.walk():
        if not isinstance(task.work, Wheel):
            continue
        wheel = task.work
        files = [d for d in wheel.dependencies if is_wheel(d)]
        folders = [unpack(place(file, wheels.parent, find_file), wheels) for file in files]
        for dependency in wheel.dependencies:
            if dependency not in files:
                check_dependency(dependency, task.key, find_file)
        scripts = find_distribution(folders, wheel.package).entry_points
        if not scripts.select(name=wheel.entry_point):
            there = {entry.name for entry in scripts}
            raise UnknownName("entry point", wheel.entry_point, there, f"Task '{task.key}'")
        paths[task.key] = [str(folder) for folder in folders]
    return paths


def required_modules(folders: Iterable[str]) -> list[str]:
    """Return the top-level modules of the direct requirements of unpacked wheels."""
    providers: dict[str, list[str]] = {}
    for module, names in importlib.metadata.packages_distributions().items():
        for name in names:
            providers.setdefault(canonicalize_name(name), []).append(module)
    modules: set[str] = set()
    for distribution in importlib.metadata.distributions(path=list(folders)):
        for text in distribution.requires or []:
            modules.update(providers.get(canonicalize_name(Requirement(text).name), []))
    return sorted(module for module in modules if not module.startswith("_"))
