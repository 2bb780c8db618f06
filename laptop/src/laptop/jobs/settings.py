"""Parser of job settings from the Jobs API."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from .errors import JobError, NotBuilt, UnknownName
from .graph import Condition, Dependency, ForEach, Job, RunIf, RunJob, Task, Wheel, Work, sort_tasks

KINDS = ("python_wheel_task", "condition_task", "run_job_task", "for_each_task")
KEY = re.compile(r"[\w-]{1,100}", re.ASCII)
OPERATORS = (
    "EQUAL_TO",
    "NOT_EQUAL",
    "GREATER_THAN",
    "GREATER_THAN_OR_EQUAL",
    "LESS_THAN",
    "LESS_THAN_OR_EQUAL",
)
MOST_AT_ONCE = 100
# Serverless retries failed tasks up to this often, regardless of max_retries.
AUTOMATIC_RETRIES = 3

Settings = Mapping[str, Any]
Environments = Mapping[str, list[str]]


def read_job(settings: Settings) -> Job:
    """Parse the settings of `jobs/create`.

    Raises:
        JobError: Missing or duplicate task keys, unknown or circular dependencies, or
            unsupported settings.
    """
    name = str(settings.get("name") or "untitled")
    environments = {
        e["environment_key"]: (e.get("spec") or {}).get("dependencies") or []
        for e in settings.get("environments") or []
    }
    parameters = {
        p["name"]: as_text(p.get("default", "")) for p in settings.get("parameters") or []
    }
    entries = [push_down(entry, parameters) for entry in settings.get("tasks") or []]
    tasks = read_tasks(entries, environments)
    if not tasks:
        raise JobError(f"Job '{name}' has no tasks.")
    job = Job(
        name=name,
        tasks=tuple(tasks),
        parameters=parameters,
        timeout=float(settings.get("timeout_seconds") or 0),
        most_runs=int(settings.get("max_concurrent_runs") or 1),
        queue=asks_queue(settings),
    )
    keys = [task.key for task in job.walk()]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise JobError(f"Job '{name}' has two tasks of one task_key, '{twice}'.")
    return replace(job, tasks=sort_tasks(name, tasks))


def read_tasks(entries: Iterable[Settings], environments: Environments) -> list[Task]:
    """Parse the tasks of a job.

    Raises:
        NotBuilt: Some tasks are not supported; the message lists the supported ones.
    """
    tasks, refused = [], []
    for entry in entries:
        try:
            tasks.append(read_task(entry, environments))
        except NotBuilt as error:
            refused.append(error)
    if refused:
        raise NotBuilt(refused[0].task, refused[0].what, [task.key for task in tasks])
    return tasks


def is_built(entry: Settings) -> bool:
    """Return whether the laptop supports this type of task."""
    return all(kind in KINDS for kind in name_kinds(entry))


def name_kinds(entry: Settings) -> list[str]:
    """Return the task types in a task's settings."""
    return [kind for kind in entry if kind.endswith("_task") and entry[kind] is not None]


def select(settings: Settings, only: Iterable[str]) -> Settings:
    """Return a job with the named tasks only; dependencies on other tasks are removed."""
    chosen = set(only)
    tasks = settings.get("tasks") or []
    there = [task.get("task_key") for task in tasks]
    for key in chosen:
        if key not in there:
            raise UnknownName("task", key, filter(None, there), f"Job '{settings.get('name')}'")
    kept = [
        {**task, "depends_on": [d for d in task.get("depends_on") or [] if d["task_key"] in chosen]}
        for task in tasks
        if task.get("task_key") in chosen
    ]
    return {**settings, "tasks": kept} if chosen else settings


def push_down(entry: Settings, parameters: Iterable[str]) -> Settings:
    """Add the named job parameters to a wheel task's; they override those of the same name.

    As on Databricks, this applies to named parameters only, not to lists.
    """
    wheel, loop = entry.get("python_wheel_task"), entry.get("for_each_task")
    if wheel and wheel.get("named_parameters"):
        pushed = {name: f"{{{{job.parameters.{name}}}}}" for name in parameters}
        named = {**wheel["named_parameters"], **pushed}
        return {**entry, "python_wheel_task": {**wheel, "named_parameters": named}}
    if loop and loop.get("task"):
        return {**entry, "for_each_task": {**loop, "task": push_down(loop["task"], parameters)}}
    return entry


def asks_queue(settings: Settings) -> bool:
    """Return whether runs are queued if too many are active."""
    return bool((settings.get("queue") or {}).get("enabled"))


def read_task(entry: Settings, environments: Environments, *, inner: bool = False) -> Task:
    """Parse one task; an inner one belongs to a for_each_task."""
    key = entry.get("task_key")
    if not key:
        raise JobError("A task has no task_key.")
    if not KEY.fullmatch(key):
        raise JobError(
            f"Task '{key}': a task_key has up to 100 letters, digits, hyphens and underscores."
        )
    if entry.get("disabled"):
        raise NotBuilt(key, "disabled")
    work = read_work(key, entry, environments, inner=inner)
    if inner and entry.get("depends_on"):
        raise JobError(f"Task '{key}' is repeated by another and waits for none: no depends_on.")
    return Task(
        key=key,
        depends_on=tuple(read_dependency(key, d) for d in entry.get("depends_on") or []),
        run_if=read_run_if(key, entry.get("run_if") or RunIf.ALL_SUCCESS),
        work=work,
        retries=count_retries(key, entry, work),
        retry_wait=int(entry.get("min_retry_interval_millis") or 0) / 1000,
        retry_on_timeout=bool(entry.get("retry_on_timeout")),
        timeout=float(entry.get("timeout_seconds") or 0),
    )


def read_work(key: str, entry: Settings, environments: Environments, *, inner: bool) -> Work:
    """Parse a task's work by its type."""
    kinds = name_kinds(entry)
    for kind in kinds:
        if kind not in KINDS:
            raise NotBuilt(key, kind)
    if len(kinds) != 1:
        what = f"it has {' and '.join(kinds)}" if kinds else f"it has none of {', '.join(KINDS)}"
        raise JobError(f"Task '{key}' must have exactly one kind of task: {what}.")
    given = entry[kinds[0]]
    match kinds[0]:
        case "condition_task":
            return read_condition(key, given)
        case "run_job_task":
            return read_run_job(key, given)
        case "for_each_task":
            if inner:
                raise JobError(f"Task '{key}': a for_each_task cannot repeat another.")
            return read_for_each(key, given, environments)
    return read_wheel(key, entry, environments)


def read_wheel(key: str, entry: Settings, environments: Environments) -> Wheel:
    """Parse a python_wheel_task with its environment."""
    wheel = entry["python_wheel_task"]
    require(key, "python_wheel_task", wheel, "package_name", "entry_point")
    named = wheel.get("named_parameters") or {}
    if named and wheel.get("parameters"):
        raise JobError(f"Task '{key}' has both parameters and named_parameters: give one.")
    environment = entry.get("environment_key")
    if environment is not None and environment not in environments:
        raise UnknownName("environment", environment, environments, f"Task '{key}'")
    libraries = environments[environment] if environment else read_libraries(key, entry)
    return Wheel(
        package=wheel["package_name"],
        entry_point=wheel["entry_point"],
        arguments=tuple(f"--{k}={as_text(v)}" for k, v in named.items())
        or tuple(as_text(p) for p in wheel.get("parameters") or []),
        dependencies=tuple(libraries),
    )


def read_libraries(key: str, entry: Settings) -> list[str]:
    """Return the libraries of a task on a cluster as dependencies of an environment."""
    found = []
    for library in entry.get("libraries") or []:
        match library:
            case {"whl": path}:
                found.append(str(path))
            case {"requirements": path}:
                found.append(f"-r {path}")
            case {"pypi": {"package": text}}:
                found.append(str(text))
            case _:
                raise NotBuilt(key, f"a library of {' and '.join(library)}")
    if not found:
        raise NotBuilt(key, "a task on a cluster without libraries of its own")
    return found


def read_condition(key: str, given: Settings) -> Condition:
    """Parse a condition_task."""
    require(key, "condition_task", given, "op")
    if given["op"] not in OPERATORS:
        raise UnknownName("operator", given["op"], OPERATORS, f"Task '{key}'")
    for side in ("left", "right"):
        if side not in given:
            raise JobError(f"Task '{key}': its condition_task has no {side}.")
    return Condition(as_text(given["left"]), given["op"], as_text(given["right"]))


def read_run_job(key: str, given: Settings) -> RunJob:
    """Parse a run_job_task."""
    for field in sorted(set(given) - {"job_id", "job_parameters"}):
        raise NotBuilt(key, f"run_job_task's '{field}'")
    try:
        job_id = int(given["job_id"])
    except (KeyError, TypeError, ValueError):
        got = given.get("job_id")
        raise JobError(f"Task '{key}': run_job_task's job_id is a number, got {got!r}.") from None
    parameters = given.get("job_parameters") or {}
    return RunJob(job_id, {name: as_text(value) for name, value in parameters.items()})


def read_for_each(key: str, given: Settings, environments: Environments) -> ForEach:
    """Parse a for_each_task and its inner task."""
    require(key, "for_each_task", given, "inputs", "task")
    concurrency = int(given.get("concurrency") or 1)
    if not 1 <= concurrency <= MOST_AT_ONCE:
        raise JobError(
            f"Task '{key}': concurrency is 1 to {MOST_AT_ONCE}, got {given['concurrency']}."
        )
    task = read_task(given["task"], environments, inner=True)
    return ForEach(as_text(given["inputs"]), concurrency, task)


def read_dependency(key: str, given: Settings) -> Dependency:
    """Parse one entry of depends_on."""
    outcome = given.get("outcome")
    if outcome not in (None, "", "true", "false"):
        raise JobError(f'Task \'{key}\': an outcome is "true" or "false", got {outcome!r}.')
    return Dependency(given["task_key"], outcome or None)


def read_run_if(key: str, given: str) -> RunIf:
    """Parse run_if."""
    if given not in list(RunIf):
        raise UnknownName("run_if", given, RunIf, f"Task '{key}'")
    return RunIf(given)


def count_retries(key: str, entry: Settings, work: Work) -> int:
    """Return the number of retries, including the automatic ones of serverless."""
    asked = int(entry.get("max_retries") or 0)
    if asked and isinstance(work, Condition | ForEach):
        advice = "Give it to the task it repeats." if isinstance(work, ForEach) else "Take it away."
        raise JobError(f"Task '{key}' is not tried again, but has max_retries. {advice}")
    serverless = isinstance(work, Wheel) and entry.get("environment_key") is not None
    automatic = serverless and not entry.get("disable_auto_optimization")
    return max(asked, AUTOMATIC_RETRIES) if automatic and asked >= 0 else asked


def require(key: str, kind: str, given: Settings, *fields: str) -> None:
    """Raise an error if a task lacks fields that its type requires."""
    for field in fields:
        if not given.get(field):
            raise JobError(f"Task '{key}': its {kind} has no {field}.")


def as_text(value: object) -> str:
    """Return a value as a command line argument: strings unchanged, others as JSON."""
    return value if isinstance(value, str) else json.dumps(value)
