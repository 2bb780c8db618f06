"""`databricks bundle deploy` for one job: build its wheel and create its resources."""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from .bundle import Bundle, keep_newest, resolve_ids
from .bundle.paths import BUILD_SETUP
from .connection import Connection, RequestRefused
from .errors import LaptopError
from .jobs.requirements import read_requirements
from .jobs.settings import is_built
from .state_dir import StateDir

UNITY = "/api/2.1/unity-catalog"
JOBS = "/api/2.2/jobs"
EXPERIMENTS = "/api/2.0/mlflow/experiments"
CATALOG = re.compile(r"[A-Za-z_][\w-]*")
FULL_NAME = re.compile(r"([A-Za-z_]\w*)\.[A-Za-z_]\w*\.[A-Za-z_]\w*")
EXTRAS = re.compile(r"(?<=\.whl)\[.*\]$")
JOB_ID = re.compile(r"\$\{resources\.jobs\.([^.}]+)\.id\}")


class BuildFailed(LaptopError):
    """An artifact of the bundle could not be built."""


@dataclass(frozen=True)
class DeployedJob:
    """A job in the workspace."""

    job_id: int
    settings: Mapping[str, Any]


def catalogs_of(bundles: Iterable[Bundle]) -> list[str]:
    """Return the catalogs in the bundles' configurations.

    These are the values of keys, variables, parameters and options with `catalog` in their name,
    and the first level of full names in variables and parameters.
    """
    found: dict[str, None] = {}
    for bundle in map(resolve_names, bundles):
        for name, value in name_texts(bundle.config, ""):
            # File names may have two dots, too.
            full = None if name.endswith(("path", "file")) else FULL_NAME.fullmatch(value)
            named = full[1] if full else value if "catalog" in name.lower() else ""
            if CATALOG.fullmatch(named):
                found[named] = None
    return list(found)


def name_texts(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield the texts of a configuration with the name of their key, parameter or option."""
    if isinstance(value, list):
        for before, item in zip(["", *value], value, strict=False):
            option = isinstance(before, str) and before.startswith("--") and "=" not in before
            yield from name_texts(item, before if option else name)
    elif isinstance(value, Mapping):
        own = value.get("name")
        for key, item in value.items():
            held = key in ("default", "value")
            yield from name_texts(item, (own if own and held else name) if held else key)
    elif isinstance(value, str):
        before, equals, rest = value.partition("=")
        yield (before, rest) if equals and before.startswith("--") else (name, value)


def resolve_names(bundle: Bundle) -> Bundle:
    """Resolve references between resources by name; unknown ids are blank."""
    blank = {
        "experiments": {key: {"id": ""} for key in bundle.experiments},
        "jobs": {key: {"id": ""} for key in bundle.jobs},
    }
    return resolve_ids(bundle, blank)


def deploy_job(
    bundle: Bundle,
    key: str,
    connection: Connection,
    state_dir: StateDir,
    only: Collection[str] = (),
) -> DeployedJob:
    """Deploy a job, the jobs it runs, and the other resources of the bundle.

    Args:
        bundle: The resolved bundle.
        key: The job's key under `resources.jobs`.
        connection: The workspace.
        state_dir: The state folder, to which wheels are copied.
        only: The tasks to run; all if empty.

    Raises:
        LaptopError: The job does not exist, a build or request fails, or a task needs an
            unresolved reference.
    """
    if key not in bundle.jobs:
        there = ", ".join(sorted(bundle.jobs)) or "none"
        raise LaptopError(f"The bundle has no job '{key}'. Its jobs are: {there}.")
    order = order_jobs(bundle, key)
    deployed: dict[str, dict[str, dict[str, str]]] = {"experiments": {}, "jobs": {}}
    for stage in ("preinit", "postinit", "predeploy"):
        run_script(bundle, stage)
    named = resolve_names(bundle)
    # Unresolved references raise an error below if a task needs them.
    for schema in filter(is_resolved, named.schemas.values()):
        create(connection, f"{UNITY}/schemas", schema)
    for model in filter(is_resolved, named.registered_models.values()):
        create(connection, f"{UNITY}/models", model)
    for volume in filter(is_resolved, named.volumes.values()):
        create(connection, f"{UNITY}/volumes", volume)
    for name, experiment in named.experiments.items():
        if is_resolved(experiment):
            deployed["experiments"][name] = {"id": create_experiment(connection, experiment)}
    records = Records(state_dir.jobs_file, bundle, connection)
    for name in bundle.jobs:
        deployed["jobs"][name] = {"id": records.known.get(name, "")}
    run_script(bundle, "prebuild")
    for name, artifact in bundle.artifacts.items():
        build(bundle.root, name, artifact)
    run_script(bundle, "postbuild")
    for name in order:
        resolved = resolve_ids(bundle, deployed)
        settings = dict(resolved.jobs[name])
        refuse_unresolved(name, settings, resolved.unresolved, only if name == key else ())
        settings = with_wheels(bundle, settings, state_dir.wheels)
        job_id = save_job(connection, records.known.get(name), settings)
        records.keep(name, job_id)
        deployed["jobs"][name] = {"id": job_id}
    run_script(bundle, "postdeploy")
    return DeployedJob(int(job_id), settings)


def is_resolved(settings: Mapping[str, Any]) -> bool:
    """Return whether a resource's settings have no references."""
    return "${" not in json.dumps(settings)


def refuse_unresolved(
    job: str, settings: Mapping[str, Any], unresolved: Mapping[str, str], only: Collection[str]
) -> None:
    """Raise an error if a task, or the job's shared settings, need an unresolved reference."""
    shared = {key: settings.get(key) for key in ("parameters", "environments")}
    tasks = {task["task_key"]: task for task in settings.get("tasks") or []}
    for reference, why in unresolved.items():
        if reference in json.dumps(shared, ensure_ascii=False):
            raise LaptopError(f"Job '{job}' needs {reference}: {why}.")
        needing = {k for k, task in tasks.items() if reference in json.dumps(task)}
        if needing if not only else needing & set(only):
            free = (key for key, task in tasks.items() if key not in needing and is_built(task))
            others = ",".join(free)
            advice = f" Run only the others: --only {others}" if others else ""
            named = ", ".join(f"'{key}'" for key in sorted(needing))
            raise LaptopError(f"Job '{job}', task {named} needs {reference}: {why}.{advice}")


class Records:
    """The ids of a target's jobs by key, from this state folder and from the CLI's deployments."""

    def __init__(self, file: Path, bundle: Bundle, connection: Connection) -> None:
        self._file = file
        self._place = str(bundle.config["workspace"]["state_path"])
        self._all = json.loads(file.read_text()) if file.exists() else {}
        state = urlencode({"path": f"{self._place}/resources.json", "direct_download": "true"})
        try:
            found = connection.ask("GET", f"/api/2.0/workspace/export?{state}").get("state") or {}
        except RequestRefused:
            found = {}
        of_cli = {
            key: str(found[f"resources.jobs.{key}"]["__id__"])
            for key in bundle.jobs
            if f"resources.jobs.{key}" in found
        }
        own = self._all.setdefault(self._place, {})
        there = {**own, **of_cli}
        self.known = {key: number for key, number in there.items() if exists(connection, number)}

    def keep(self, key: str, job_id: str) -> None:
        """Store a job's id."""
        self._all[self._place][key] = job_id
        self._file.write_text(json.dumps(self._all, indent=2))


def exists(connection: Connection, job_id: str) -> bool:
    """Return whether the job exists in the workspace."""
    try:
        connection.ask("GET", f"{JOBS}/get?job_id={job_id}")
    except RequestRefused:
        return False
    return True


def save_job(connection: Connection, job_id: str | None, settings: Mapping[str, Any]) -> str:
    """Create a job, or reset the existing one, and return its id."""
    if job_id is None:
        return str(connection.ask("POST", f"{JOBS}/create", dict(settings))["job_id"])
    body = {"job_id": job_id, "new_settings": dict(settings)}
    connection.ask("POST", f"{JOBS}/reset", body)
    return job_id


def order_jobs(bundle: Bundle, key: str) -> list[str]:
    """Return the jobs that a job references, directly or indirectly, in dependency order."""
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


def create(connection: Connection, path: str, settings: Mapping[str, Any]) -> None:
    """Create an object unless it exists."""
    try:
        connection.ask("POST", path, dict(settings))
    except RequestRefused as refusal:
        if refusal.status != 409:
            raise


def create_experiment(connection: Connection, settings: Mapping[str, Any]) -> str:
    """Create an experiment unless it exists, and return its id."""
    body = {"name": settings["name"], "tags": settings.get("tags") or []}
    try:
        return str(connection.ask("POST", f"{EXPERIMENTS}/create", body)["experiment_id"])
    except RequestRefused as refusal:
        if refusal.code != "RESOURCE_ALREADY_EXISTS":
            raise
    query = urlencode({"experiment_name": settings["name"]})
    found = connection.ask("GET", f"{EXPERIMENTS}/get-by-name?{query}")
    return str(found["experiment"]["experiment_id"])


def with_wheels(bundle: Bundle, settings: Mapping[str, Any], wheels: Path) -> dict[str, Any]:
    """Return a job with local files replaced by copies of wheels and lines of requirements."""

    def place(dependencies: Iterable[str]) -> list[str]:
        return [one for text in dependencies for one in place_dependency(bundle, text, wheels)]

    def place_libraries(task: Mapping[str, Any]) -> dict[str, Any]:
        own = dict(task)
        if "for_each_task" in task:
            loop = task["for_each_task"]
            own["for_each_task"] = {**loop, "task": place_libraries(loop.get("task") or {})}
        if "libraries" in task:
            own["libraries"] = [
                each for library in task["libraries"] for each in place_library(library)
            ]
        return own

    def place_library(library: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        if "requirements" in library:
            lines = place([f"-r {library['requirements']}"])
            return [{"pypi": {"package": line}} for line in lines]
        path = str(library.get("whl", ":"))
        local = not path.startswith("/") and ":" not in path
        return [{"whl": copy} for copy in place([f"./{path}"])] if local else [library]

    environments = []
    for environment in settings.get("environments") or []:
        spec = dict(environment.get("spec") or {})
        spec["dependencies"] = place(spec.get("dependencies") or [])
        environments.append({**environment, "spec": spec})
    tasks = [place_libraries(task) for task in settings.get("tasks") or []]
    return {**settings, "environments": environments, "tasks": tasks}


def place_dependency(bundle: Bundle, dependency: str, wheels: Path) -> list[str]:
    """Return a dependency for the workspace: wheels that match a pattern are copied."""
    files = f"-r {bundle.config['workspace']['file_path']}/"
    if dependency.startswith(files):
        return list(read_requirements(bundle.base / dependency.removeprefix(files)))
    path = EXTRAS.sub("", dependency)
    if not dependency.startswith(".") or not path.endswith(".whl"):
        return [dependency]
    found = keep_newest(bundle.base.glob(path))
    if not found:
        raise BuildFailed(
            f"'{dependency}' must match a wheel; it matches none. Say how one is built under "
            "`artifacts`, and see what the build leaves."
        )
    # Relative to the state folder, so that the job also runs in a copy of it.
    return [upload(file, wheels).relative_to(wheels.parent).as_posix() for file in found]


def upload(wheel: Path, wheels: Path) -> Path:
    """Copy a wheel to a folder by content hash, so that later builds do not replace it."""
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
    if command == BUILD_SETUP and find_spec("setuptools") is None:
        # The project's environment may lack setuptools.
        command = f"uv run --no-project --with setuptools --with wheel {command}"
    if command:
        call(command, root / artifact.get("path", "."), f"Building artifact '{name}'")


def run_script(bundle: Bundle, stage: str) -> None:
    """Run the bundle's script for a stage of a deployment."""
    command = (bundle.config.get("experimental", {}).get("scripts") or {}).get(stage)
    if command:
        call(command, bundle.root, f"Script '{stage}'")


def call(command: str, folder: Path, what: str) -> None:
    """Run a command of the bundle."""
    # `uv run` sets UV; uv need not be on the PATH.
    uv = os.environ.get("UV")
    path = os.pathsep.join([*([str(Path(uv).parent)] if uv else []), os.environ.get("PATH", "")])
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        text = (done.stderr or done.stdout).strip()
        raise BuildFailed(f"{what} failed: {shlex.quote(command)}\n{text}")
