"""Dependencies of an environment: the lines of pip's requirements files."""

import importlib.metadata
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from .errors import JobError

# Part of the runtime, so not required in the environment.
PROVIDED = frozenset({"databricks-feature-engineering"})
FILE = re.compile(r"(?:-r|--requirement)[ =]*(.+)")
EDITABLE = re.compile(r"(?:-e|--editable)[ =]*(.+)")
COMMENT = re.compile(r"(^|\s+)#.*")
# Options of a single requirement, such as --hash, follow it.
OPTIONS = re.compile(r"\s--?[a-z].*")


def read_requirements(file: Path, above: tuple[Path, ...] = ()) -> Iterator[str]:
    """Yield the lines of a requirements file, with `-r` lines replaced by the file they name.

    Raises:
        JobError: A file does not exist, or includes itself.
    """
    if file in above or not file.is_file():
        what = "names itself" if file in above else "is not there"
        raise JobError(f"The file of requirements {file} {what}.")
    for line in file.read_text().replace("\\\n", " ").splitlines():
        text = COMMENT.sub("", line).strip()
        named = FILE.fullmatch(text)
        if named and not named[1].startswith("/"):
            yield from read_requirements(file.parent / named[1], (*above, file))
        elif text:
            yield text


def check_dependency(text: str, task: str, find_file: Callable[[str], Path]) -> None:
    """Check that the laptop's environment meets a dependency; skip options of pip.

    Args:
        text: A line of a requirements file.
        task: The task that needs it.
        find_file: Returns the local file for a workspace path.

    Raises:
        JobError: It is not installed, or can be installed on Databricks only.
    """
    named = FILE.fullmatch(text)
    if named:
        for line in read_requirements(find_in_workspace(named[1], task, find_file)):
            check_dependency(line, task, find_file)
    elif EDITABLE.fullmatch(text) or text.startswith((".", "/")):
        raise JobError(
            f"Task '{task}' needs '{text}', a folder or file that is not installed on the laptop. "
            "Build a wheel of it, and name that among the dependencies."
        )
    elif not text.startswith("-"):
        check_installed(text, task)


def find_in_workspace(path: str, task: str, find_file: Callable[[str], Path]) -> Path:
    """Return the local file for a path in a task's environment."""
    file = find_file(path) if path.startswith("/Workspace/") else None
    if file is None or not file.is_file():
        raise JobError(
            f"Task '{task}' needs the file {path}, which is not in this workspace. Import it: "
            f"databricks workspace import {path} --file FILE --format AUTO"
        )
    return file


def check_installed(text: str, task: str) -> None:
    """Check that the laptop's environment meets a requirement."""
    try:
        requirement = Requirement(name_wheel(OPTIONS.sub("", text)))
    except InvalidRequirement as error:
        raise JobError(
            f"Task '{task}' needs '{text}', which is not a valid requirement: {error}"
        ) from None
    elsewhere = requirement.marker and not requirement.marker.evaluate()
    if elsewhere or canonicalize_name(requirement.name) in PROVIDED:
        return
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        version = None
    if version is None or not requirement.specifier.contains(version, prereleases=True):
        raise JobError(
            f"Task '{task}' needs '{text}'; installed is {version or 'none'}. "
            f"Add it to the project: uv add '{text}'."
        )


def name_wheel(text: str) -> str:
    """Return the requirement for the URL of a wheel or repository."""
    name, _, address = text.rpartition(" @ ")
    address, _, fragment = address.partition("#")
    if "://" not in address:
        return text
    try:
        found, version, *_ = parse_wheel_filename(address.rpartition("/")[2])
    except InvalidWheelFilename:
        egg = re.search(r"egg=([\w.-]+)", fragment)
        stem = address.rpartition("/")[2].partition("@")[0].removesuffix(".git")
        return name or (egg[1] if egg else stem)
    return f"{found}=={version}"
