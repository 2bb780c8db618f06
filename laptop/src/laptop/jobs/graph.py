"""A job's graph: tasks and their dependencies, in topological order."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter

from .errors import JobError, UnknownName


class RunIf(StrEnum):
    """Condition on the results of a task's dependencies."""

    ALL_SUCCESS = "ALL_SUCCESS"
    ALL_DONE = "ALL_DONE"
    NONE_FAILED = "NONE_FAILED"
    AT_LEAST_ONE_SUCCESS = "AT_LEAST_ONE_SUCCESS"
    ALL_FAILED = "ALL_FAILED"
    AT_LEAST_ONE_FAILED = "AT_LEAST_ONE_FAILED"


@dataclass(frozen=True)
class Dependency:
    """A task to wait for, with the required outcome if it is a condition."""

    key: str
    outcome: str | None = None


@dataclass(frozen=True)
class Wheel:
    """Calls an entry point of a wheel.

    Attributes:
        package: Distribution whose wheel holds the entry point.
        entry_point: Name of the entry point.
        arguments: Command line with unresolved `{{…}}` references.
        dependencies: Wheel files and requirements of the environment.
    """

    package: str
    entry_point: str
    arguments: tuple[str, ...]
    dependencies: tuple[str, ...]


@dataclass(frozen=True)
class Condition:
    """Compares two operands; dependent tasks may require one outcome."""

    left: str
    op: str
    right: str


@dataclass(frozen=True)
class RunJob:
    """Runs another job."""

    job_id: int
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class ForEach:
    """Runs one task for each item of a list."""

    inputs: str
    concurrency: int
    task: "Task"


Work = Wheel | Condition | RunJob | ForEach


@dataclass(frozen=True)
class Task:
    """One task of a job.

    Attributes:
        key: Name of the task in the job.
        depends_on: Dependencies of the task.
        run_if: Condition on the results of the dependencies.
        work: Wheel, condition, run job or for each.
        retries: Greatest number of retries; -1 for no limit.
        retry_wait: Seconds between the starts of two attempts.
        retry_on_timeout: Whether to retry attempts that timed out.
        timeout: Timeout of an attempt in seconds; 0 for no limit.
    """

    key: str
    depends_on: tuple[Dependency, ...]
    run_if: RunIf
    work: Work
    retries: int
    retry_wait: float
    retry_on_timeout: bool
    timeout: float

    @property
    def before(self) -> set[str]:
        """The keys of the task's dependencies."""
        return {each.key for each in self.depends_on}


@dataclass(frozen=True)
class Job:
    """A job's parameters with their defaults, and its tasks in topological order."""

    name: str
    tasks: tuple[Task, ...]
    parameters: Mapping[str, str]
    timeout: float
    most_runs: int
    queue: bool

    @property
    def leaves(self) -> set[str]:
        """The keys of the tasks on which no other task depends."""
        return {task.key for task in self.tasks}.difference(*(task.before for task in self.tasks))

    def walk(self) -> Iterator[Task]:
        """Yield every task; a for_each_task is followed by its inner task."""
        for task in self.tasks:
            yield task
            if isinstance(task.work, ForEach):
                yield task.work.task

    def upstream(self, key: str) -> set[str]:
        """Return the keys of all direct and indirect dependencies of `key`."""
        found = {key}
        for task in reversed(self.tasks):
            if task.key in found:
                found |= task.before
        return found - {key}

    def with_parameters(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the run's parameters: the defaults, overridden by `given`."""
        for name in given:
            if name not in self.parameters:
                raise UnknownName("parameter", name, self.parameters, f"Job '{self.name}'")
        return {**self.parameters, **given}


def sort_tasks(job: str, tasks: list[Task]) -> tuple[Task, ...]:
    """Sort tasks in topological order."""
    by_key = {task.key: task for task in tasks}
    for task in tasks:
        for needed in task.depends_on:
            if needed.key not in by_key:
                where = f"Task '{task.key}' depends on it, but"
                raise UnknownName("task", needed.key, by_key, where)
            if needed.outcome and not isinstance(by_key[needed.key].work, Condition):
                raise JobError(
                    f"Task '{task.key}' waits for outcome {needed.outcome} of '{needed.key}', "
                    "which is not a condition_task. Take the outcome away."
                )
    try:
        order = list(TopologicalSorter({t.key: sorted(t.before) for t in tasks}).static_order())
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        raise JobError(f"Job '{job}': its tasks wait for one another: {circle}.") from None
    return tuple(by_key[key] for key in order)
