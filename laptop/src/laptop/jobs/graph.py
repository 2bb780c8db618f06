"""A job's graph: tasks, what each does and waits for, in an order that can be run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter

from .errors import JobError, UnknownName


class RunIf(StrEnum):
    """What must be said of the tasks a task waits for, once they have ended."""

    ALL_SUCCESS = "ALL_SUCCESS"
    ALL_DONE = "ALL_DONE"
    NONE_FAILED = "NONE_FAILED"
    AT_LEAST_ONE_SUCCESS = "AT_LEAST_ONE_SUCCESS"
    ALL_FAILED = "ALL_FAILED"
    AT_LEAST_ONE_FAILED = "AT_LEAST_ONE_FAILED"


@dataclass(frozen=True)
class Dependency:
    """A task to wait for; of a condition also the outcome it must have."""

    key: str
    outcome: str | None = None


@dataclass(frozen=True)
class Wheel:
    """Calls an entry point of a wheel.

    Attributes:
        package: Distribution whose wheel holds the entry point.
        entry_point: Its name.
        arguments: Command line, with `{{…}}` references unresolved.
        dependencies: Wheel files and requirements of its environment.
    """

    package: str
    entry_point: str
    arguments: tuple[str, ...]
    dependencies: tuple[str, ...]


@dataclass(frozen=True)
class Condition:
    """Compares two operands; its outcome chooses among the tasks that wait for it."""

    left: str
    op: str
    right: str


@dataclass(frozen=True)
class RunJob:
    """Runs another job of the workspace."""

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
        key: Its name in the job.
        depends_on: The tasks it waits for.
        run_if: Whether it runs then.
        work: What it does.
        retries: How often a failed attempt is followed by another; -1 is no limit.
        retry_wait: Seconds from an attempt's start to the next one's.
        retry_on_timeout: Whether an attempt that timed out is followed by another.
        timeout: Seconds an attempt may take; 0 is no limit.
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
        """The keys of the tasks it waits for."""
        return {each.key for each in self.depends_on}


@dataclass(frozen=True)
class Job:
    """A graph of tasks with its parameters' defaults, in an order that can be run."""

    name: str
    tasks: tuple[Task, ...]
    parameters: Mapping[str, str]
    timeout: float
    most_runs: int
    queue: bool

    @property
    def leaves(self) -> set[str]:
        """The keys of the tasks that no other waits for."""
        return {task.key for task in self.tasks}.difference(*(task.before for task in self.tasks))

    def walk(self) -> Iterator[Task]:
        """Yield every task, and after it the one it repeats."""
        for task in self.tasks:
            yield task
            if isinstance(task.work, ForEach):
                yield task.work.task

    def upstream(self, key: str) -> set[str]:
        """Return the keys of all tasks that `key` waits for, near and far."""
        found = {key}
        for task in reversed(self.tasks):
            if task.key in found:
                found |= task.before
        return found - {key}

    def with_parameters(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the run's parameters: the defaults, replaced by what was given."""
        for name in given:
            if name not in self.parameters:
                raise UnknownName("parameter", name, self.parameters, f"Job '{self.name}'")
        return {**self.parameters, **given}


def sort_tasks(job: str, tasks: list[Task]) -> tuple[Task, ...]:
    """Order tasks so that each comes after those it waits for."""
    by_key = {task.key: task for task in tasks}
    for task in tasks:
        for needed in task.depends_on:
            if needed.key not in by_key:
                where = f"Task '{task.key}' depends on it, but"
                raise UnknownName("task", needed.key, by_key, where)
            if needed.outcome and not isinstance(by_key[needed.key].work, Condition):
                raise JobError(
                    f"Task '{task.key}' waits for outcome {needed.outcome} of '{needed.key}', "
                    "which is no condition_task. Take the outcome away."
                )
    try:
        order = list(TopologicalSorter({t.key: sorted(t.before) for t in tasks}).static_order())
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        raise JobError(f"Job '{job}': its tasks wait for one another: {circle}.") from None
    return tuple(by_key[key] for key in order)
