"""A job's settings, as the Jobs API has them, read into tasks that can be run."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from .errors import JobError, NotBuilt, UnknownName


@dataclass(frozen=True)
class Task:
    """One wheel task.

    Attributes:
        key: Its name in the job.
        depends_on: Keys of the tasks that must have succeeded before.
        package: Distribution whose wheel holds the entry point.
        entry_point: Name of the entry point in it.
        arguments: Command line, with `{{…}}` references unresolved.
        dependencies: Wheel files and requirements of its environment.
        retries: How often a failed attempt is followed by another; -1 is no limit.
        retry_wait: Seconds between two attempts.
        retry_on_timeout: Whether an attempt that timed out is followed by another.
        timeout: Seconds an attempt may take; 0 is no limit.
    """

    key: str
    depends_on: tuple[str, ...]
    package: str
    entry_point: str
    arguments: tuple[str, ...]
    dependencies: tuple[str, ...]
    retries: int
    retry_wait: float
    retry_on_timeout: bool
    timeout: float


@dataclass(frozen=True)
class Job:
    """A graph of tasks with its parameters' defaults, in an order that can be run."""

    name: str
    tasks: tuple[Task, ...]
    parameters: Mapping[str, str]
    timeout: float
    most_runs: int
    queue: bool

    def upstream(self, key: str) -> set[str]:
        """Return the keys of all tasks that `key` waits for, near and far."""
        found = {key}
        for task in reversed(self.tasks):
            if task.key in found:
                found.update(task.depends_on)
        return found - {key}

    def with_parameters(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the run's parameters: the defaults, replaced by what was given.

        Raises:
            UnknownName: A parameter that the job does not declare.
        """
        for name in given:
            if name not in self.parameters:
                raise UnknownName("parameter", name, self.parameters, f"Job '{self.name}'")
        return {**self.parameters, **given}

    def select(self, only: Iterable[str]) -> "Job":
        """Return the job with the named tasks alone; they no longer wait for the others."""
        chosen = set(only)
        if not chosen:
            return self
        there = [task.key for task in self.tasks]
        for key in chosen:
            if key not in there:
                raise UnknownName("task", key, there, f"Job '{self.name}'")
        tasks = tuple(
            replace(task, depends_on=tuple(k for k in task.depends_on if k in chosen))
            for task in self.tasks
            if task.key in chosen
        )
        return replace(self, tasks=tasks)


def read_job(settings: Mapping[str, Any]) -> Job:
    """Read the settings of `jobs/create`.

    Raises:
        JobError: Tasks without keys, doubled keys, unknown or circular dependencies, or
            anything the laptop cannot run, by name.
    """
    name = str(settings.get("name") or "untitled")
    environments = {
        e["environment_key"]: (e.get("spec") or {}).get("dependencies") or []
        for e in settings.get("environments") or []
    }
    tasks = [read_task(entry, environments) for entry in settings.get("tasks") or []]
    if not tasks:
        raise JobError(f"Job '{name}' has no tasks.")
    return Job(
        name=name,
        tasks=sort_tasks(name, tasks),
        parameters={
            p["name"]: as_text(p.get("default", "")) for p in settings.get("parameters") or []
        },
        timeout=float(settings.get("timeout_seconds") or 0),
        most_runs=int(settings.get("max_concurrent_runs") or 1),
        queue=bool((settings.get("queue") or {}).get("enabled")),
    )


def read_task(entry: Mapping[str, Any], environments: Mapping[str, list[str]]) -> Task:
    """Read one task of a job's settings."""
    key = entry.get("task_key")
    if not key:
        raise JobError("A task has no task_key.")
    for kind in entry:
        if kind.endswith("_task") and kind != "python_wheel_task":
            raise NotBuilt(key, kind)
    if entry.get("run_if", "ALL_SUCCESS") != "ALL_SUCCESS":
        raise NotBuilt(key, f"run_if {entry['run_if']}")
    wheel = entry.get("python_wheel_task")
    if wheel is None:
        raise JobError(f"Task '{key}' says not what to run: it has no python_wheel_task.")
    for field in ("package_name", "entry_point"):
        if not wheel.get(field):
            raise JobError(f"Task '{key}': its python_wheel_task has no {field}.")
    named = wheel.get("named_parameters") or {}
    if named and wheel.get("parameters"):
        raise JobError(f"Task '{key}' has both parameters and named_parameters: give one.")
    environment = entry.get("environment_key")
    if environment is None:
        raise NotBuilt(key, "a task without environment_key, on a cluster,")
    if environment not in environments:
        raise UnknownName("environment", environment, environments, f"Task '{key}'")
    return Task(
        key=key,
        depends_on=tuple(d["task_key"] for d in entry.get("depends_on") or []),
        package=wheel["package_name"],
        entry_point=wheel["entry_point"],
        arguments=tuple(f"--{k}={as_text(v)}" for k, v in named.items())
        or tuple(as_text(p) for p in wheel.get("parameters") or []),
        dependencies=tuple(environments[environment]),
        retries=int(entry.get("max_retries") or 0),
        retry_wait=int(entry.get("min_retry_interval_millis") or 0) / 1000,
        retry_on_timeout=bool(entry.get("retry_on_timeout")),
        timeout=float(entry.get("timeout_seconds") or 0),
    )


def sort_tasks(job: str, tasks: list[Task]) -> tuple[Task, ...]:
    """Order tasks so that each comes after those it waits for."""
    by_key = {task.key: task for task in tasks}
    if len(by_key) < len(tasks):
        raise JobError(f"Job '{job}' has two tasks of one task_key.")
    for task in tasks:
        for key in task.depends_on:
            if key not in by_key:
                raise UnknownName("task", key, by_key, f"Task '{task.key}' depends on it, but")
    try:
        order = list(TopologicalSorter({t.key: t.depends_on for t in tasks}).static_order())
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        raise JobError(f"Job '{job}': its tasks wait for one another: {circle}.") from None
    return tuple(by_key[key] for key in order)


def as_text(value: object) -> str:
    """Return a value as a command line has it: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)
