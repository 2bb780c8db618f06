"""The environment that a model is loaded in: built from its requirements, or the installed one."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from uv import find_uv_bin

from .context import is_databricks_runtime

ROOT_PACKAGE = __name__.partition(".")[0]
# Both steps of a build together, in seconds.
BUILT_WITHIN = 1200.0
# A requirement with a version, an address or an option.
EXACT = re.compile(r"==[^*]+$|@|^-")
# Variables for finding programs and libraries; no credentials.
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ", "GOMP_SPINCOUNT", "OMP_NUM_THREADS")
# Package indexes; passed to the build only.
INDEXES = (
    "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_CACHE_DIR",
    "UV_OFFLINE", "PIP_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy",
    "https_proxy", "no_proxy", "SSL_CERT_FILE", "HOME",
)  # fmt: skip


@dataclass(frozen=True)
class ModelEnvironment:
    """The environment that a model is loaded in.

    Attributes:
        python: Path of the interpreter.
        description: Description for the report.
        refused: Modules that may not be imported.
        untried: Why the build of the model's requirements failed; empty if none was needed.
    """

    python: str
    description: str
    refused: frozenset[str] = frozenset()
    untried: str = ""


def prepare_environment(model: Path, folder: Path) -> ModelEnvironment:
    """Return the environment for a model.

    On Databricks it is built from the model's requirements, as for an endpoint. Elsewhere, if all
    are installed in the same versions, those are used, and no other package can be imported.

    `model` is the model's folder, with `requirements.txt`; the environment is built in `folder`.
    """
    requirements = read_requirements(model)
    differing = list(find_differences(requirements))
    if not differing and not is_databricks_runtime():
        return use_installed(requirements)
    why = "; ".join(differing) or "an endpoint has one"
    print(f"Building an environment of the model's own requirements, with uv: {why}")
    failure = build(model, folder)
    if not failure:
        return ModelEnvironment(
            str(folder / "bin" / "python"),
            f"an environment built of its {len(requirements)} requirements",
        )
    differs = f"; what is installed differs: {', '.join(differing)}" if differing else ""
    return use_installed(requirements, untried=failure + differs)


def read_requirements(model: Path) -> list[str]:
    """Return the lines of a model's requirements, without comments."""
    lines = (model / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and line.strip()[0] != "#"]


def read_python(model: Path) -> str:
    """Return the major and minor version of Python that a model was logged with."""
    described = yaml.safe_load((model / "python_env.yaml").read_text(encoding="utf-8"))
    return ".".join(str(described["python"]).split(".")[:2])


def find_flaws(model: Path) -> Iterator[str]:
    """Yield what a model's requirements leave open: an endpoint may get something else later."""
    loose = ", ".join(each for each in read_requirements(model) if not EXACT.search(each))
    if loose:
        yield f"its requirements have no exact version of {loose}"
    python, here = read_python(model), f"{sys.version_info.major}.{sys.version_info.minor}"
    if python != here:
        yield f"it was logged with Python {python}, this task has {here}"


def find_differences(requirements: list[str]) -> Iterator[str]:
    """Yield the requirements that are not met here, each with what is installed."""
    for line in requirements:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            yield f"{line}, which cannot be read"
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            yield f"{line}, not installed"
            continue
        if requirement.url or not requirement.specifier.contains(version, prereleases=True):
            yield f"{line}, installed {version}"


def use_installed(requirements: list[str], untried: str = "") -> ModelEnvironment:
    """Return this interpreter, restricted to some requirements and their dependencies."""
    allowed = close_requirements(requirements)
    refused = {
        top
        for top, owners in importlib.metadata.packages_distributions().items()
        if not allowed.intersection(map(canonicalize_name, owners))
    }
    return ModelEnvironment(
        sys.executable,
        "the packages installed here, restricted to its requirements and their dependencies",
        frozenset(refused | {ROOT_PACKAGE}),
        untried,
    )


def close_requirements(requirements: list[str]) -> set[str]:
    """Return the names of the installed distributions of requirements and their dependencies."""
    found: set[str] = set()
    waiting = list(requirements)
    while waiting:
        try:
            requirement = Requirement(waiting.pop())
            name = canonicalize_name(requirement.name)
            wanted = importlib.metadata.requires(name) or []
        except (InvalidRequirement, importlib.metadata.PackageNotFoundError):
            continue
        extras = requirement.extras or {""}
        known = {name, *(f"{name}[{extra}]" for extra in extras if extra)}
        if known <= found:
            continue
        found |= known
        waiting.extend(
            line
            for line in wanted
            if (marker := Requirement(line).marker) is None
            or any(marker.evaluate({"extra": extra}) for extra in extras)
        )
    return found


def build(model: Path, folder: Path) -> str:
    """Build an environment from a model's requirements; return the error, or an empty string.

    Only wheels are installed: building a source distribution would run its code.
    """
    installed = [str(folder / "bin" / "python"), "-r", str(model / "requirements.txt")]
    uv = find_uv()
    if uv is None:
        return "uv is not here"
    until = monotonic() + BUILT_WITHIN
    for command in (
        [uv, "venv", "--quiet", "--python", read_python(model), str(folder)],
        [uv, "pip", "install", "--quiet", "--only-binary", ":all:", "--python", *installed],
    ):
        try:
            done = subprocess.run(
                command,
                env=build_variables(),
                capture_output=True,
                text=True,
                timeout=max(until - monotonic(), 1.0),
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"uv could not build it: {error}"
        if done.returncode:
            said = " ".join(done.stderr.split())
            return f"uv could not build it: {said[-500:]}"
    return ""


def find_uv() -> str | None:
    """Return the path of the package uv's program, else of the one on the PATH."""
    try:
        return find_uv_bin()
    except FileNotFoundError:
        return shutil.which("uv")


def build_variables() -> Mapping[str, str]:
    """Return the environment variables of a build, without the task's credentials."""
    kept = {name: os.environ[name] for name in (*PASSED_ON, *INDEXES) if name in os.environ}
    if "PIP_INDEX_URL" in kept:
        kept.setdefault("UV_DEFAULT_INDEX", kept["PIP_INDEX_URL"])
    return kept
