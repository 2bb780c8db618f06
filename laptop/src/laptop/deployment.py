"""What `databricks bundle deploy` does, for one job: its resources made, its wheel built."""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from .bundle import Bundle, resolve_ids
from .connection import Connection, RequestRefused
from .errors import LaptopError
from .state_dir import StateDir

UNITY = "/api/2.1/unity-catalog"
JOBS = "/api/2.2/jobs"
EXPERIMENTS = "/api/2.0/mlflow/experiments"
JOB_ID = re.compile(r"\$\{resources\.jobs\.([^.}]+)\.id\}")


class BuildFailed(LaptopError):
    """An artifact of the bundle could not be built."""


@dataclass(frozen=True)
class DeployedJob:
    """A job that stands in the workspace."""

    job_id: int
    settings: Mapping[str, Any]


def catalogs_of(bundles: Iterable[Bundle]) -> list[str]:
    """Return the catalogs that bundles put something into."""
    found: dict[str, None] = {}
    for bundle in map(resolve_names, bundles):
        for settings in [*bundle.schemas.values(), *bundle.registered_models.values()]:
            found[settings["catalog_name"]] = None
    return list(found)


def resolve_names(bundle: Bundle) -> Bundle:
    """Fill in what resources take of one another's names; ids that are not known yet are blank."""
    blank = {
        "experiments": {key: {"id": ""} for key in bundle.experiments},
        "jobs": {key: {"id": ""} for key in bundle.jobs},
    }
    return resolve_ids(bundle, blank)


def deploy_job(
    bundle: Bundle, key: str, connection: Connection, state_dir: StateDir
) -> DeployedJob:
    """Make what the bundle declares around a job, the jobs it runs, and the job itself.

    Args:
        bundle: The resolved bundle.
        key: The job's key under `resources.jobs`.
        connection: The workspace.
        state_dir: Its state folder, which takes the wheels.

    Raises:
        LaptopError: No such job, a build that fails, or a request that is refused.
    """
    if key not in bundle.jobs:
        there = ", ".join(sorted(bundle.jobs)) or "none"
        raise LaptopError(f"The bundle has no job '{key}'. Its jobs are: {there}.")
    order = order_jobs(bundle, key)
    deployed: dict[str, dict[str, dict[str, str]]] = {"experiments": {}, "jobs": {}}
    named = resolve_names(bundle)
    for schema in named.schemas.values():
        create(connection, f"{UNITY}/schemas", schema)
    for model in named.registered_models.values():
        create(connection, f"{UNITY}/models", model)
    for name, experiment in named.experiments.items():
        deployed["experiments"][name] = {"id": create_experiment(connection, experiment)}
    known = find_jobs(connection, [job["name"] for job in bundle.jobs.values()])
    for name, job in bundle.jobs.items():
        deployed["jobs"][name] = {"id": known.get(job["name"], "")}
    for name, artifact in bundle.artifacts.items():
        build(bundle.root, name, artifact)
    for name in order:
        settings = dict(resolve_ids(bundle, deployed).jobs[name])
        environments = settings.get("environments") or []
        settings["environments"] = with_wheels(bundle.root, environments, state_dir.wheels)
        job_id = save_job(connection, known.get(settings["name"]), settings)
        deployed["jobs"][name] = {"id": job_id}
    return DeployedJob(int(job_id), settings)


def save_job(connection: Connection, job_id: str | None, settings: Mapping[str, Any]) -> str:
    """Make a job, or change the one of that number, and return its number."""
    if job_id is None:
        return str(connection.ask("POST", f"{JOBS}/create", dict(settings))["job_id"])
    body = {"job_id": job_id, "new_settings": dict(settings)}
    connection.ask("POST", f"{JOBS}/reset", body)
    return job_id


def order_jobs(bundle: Bundle, key: str) -> list[str]:
    """Return the jobs that a job refers to, near and far, each before who refers to it."""
    needed: dict[str, set[str]] = {}
    open_keys = [key]
    while open_keys:
        name = open_keys.pop()
        if name not in needed:
            needed[name] = set(JOB_ID.findall(json.dumps(bundle.jobs[name])))
            open_keys.extend(needed[name])
    try:
        return list(TopologicalSorter(needed).static_order())
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        raise LaptopError(f"Jobs of the bundle refer to one another: {circle}.") from None


def find_jobs(connection: Connection, names: Iterable[str]) -> dict[str, str]:
    """Return the numbers of the jobs of these names that stand in the workspace."""
    return {
        name: str(found["job_id"])
        for name in names
        for found in connection.ask("GET", f"{JOBS}/list?{urlencode({'name': name})}")["jobs"]
    }


def create(connection: Connection, path: str, settings: Mapping[str, Any]) -> None:
    """Make an object that may be there already."""
    try:
        connection.ask("POST", path, dict(settings))
    except RequestRefused as refusal:
        if refusal.status != 409:
            raise


def create_experiment(connection: Connection, settings: Mapping[str, Any]) -> str:
    """Make an experiment that may be there already, and return its id."""
    body = {"name": settings["name"], "tags": settings.get("tags") or []}
    try:
        return str(connection.ask("POST", f"{EXPERIMENTS}/create", body)["experiment_id"])
    except RequestRefused as refusal:
        if refusal.code != "RESOURCE_ALREADY_EXISTS":
            raise
    query = urlencode({"experiment_name": settings["name"]})
    found = connection.ask("GET", f"{EXPERIMENTS}/get-by-name?{query}")
    return str(found["experiment"]["experiment_id"])


def with_wheels(root: Path, environments: list[Any], wheels: Path) -> list[Any]:
    """Put copies of what was built in place of the environments' patterns."""
    result = []
    for environment in environments:
        spec = dict(environment.get("spec") or {})
        dependencies = []
        for dependency in spec.get("dependencies") or []:
            if not dependency.endswith(".whl"):
                dependencies.append(dependency)
                continue
            files = sorted(root.glob(dependency))
            if len(files) != 1:
                raise BuildFailed(
                    f"'{dependency}' must match one wheel; it matches {len(files)}: "
                    f"{', '.join(map(str, files)) or 'none'}. Delete dist/ and run again."
                )
            # From the state folder on, so that the job runs in a copy of it too.
            copy = upload(files[0], wheels).relative_to(wheels.parent)
            dependencies.append(copy.as_posix())
        result.append({**environment, "spec": {**spec, "dependencies": dependencies}})
    return result


def upload(wheel: Path, wheels: Path) -> Path:
    """Return a copy that stays when the next build replaces a wheel; one a content."""
    copy = wheels / hashlib.sha256(wheel.read_bytes()).hexdigest()[:16] / wheel.name
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        draft = copy.with_suffix(".new")
        shutil.copyfile(wheel, draft)
        draft.replace(copy)
    return copy


def build(root: Path, name: str, artifact: Mapping[str, Any]) -> None:
    """Run an artifact's build command."""
    command = artifact.get("build")
    if not command:
        return
    # `uv run` says where uv is, which need not be on the PATH.
    uv = os.environ.get("UV")
    path = os.pathsep.join([*([str(Path(uv).parent)] if uv else []), os.environ.get("PATH", "")])
    done = subprocess.run(
        command,
        shell=True,
        cwd=root / artifact.get("path", "."),
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        text = (done.stderr or done.stdout).strip()
        raise BuildFailed(f"Building artifact '{name}' failed: {shlex.quote(command)}\n{text}")
