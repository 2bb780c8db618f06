"""The `{{…}}` references of a job, and their validation before a run."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from .errors import JobError, UnknownName
from .graph import Condition, ForEach, Job, RunJob, Task, Wheel, Work

REFERENCE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
# Parts with characters other than letters, digits and underscores need backticks.
PART = r"(?:`[^`]+`|[^.`\s]+)"
NAME = re.compile(rf"{PART}(?:\.{PART})*")

TIMES: Mapping[str, Callable[[datetime], object]] = {
    "iso_weekday": lambda time: time.isoweekday(),
    "is_weekday": lambda time: str(time.isoweekday() < 6).lower(),
    "iso_date": lambda time: time.date().isoformat(),
    "iso_datetime": lambda time: time.isoformat(timespec="seconds"),
    "year": lambda time: time.year,
    "month": lambda time: time.month,
    "day": lambda time: time.day,
    "hour": lambda time: time.hour,
    "minute": lambda time: time.minute,
    "second": lambda time: time.second,
    "timestamp_ms": lambda time: int(time.timestamp() * 1000),
}
OLD_NAMES = {
    "job_id": ("job", "id"),
    "job_name": ("job", "name"),
    "run_id": ("task", "run_id"),
    "parent_run_id": ("job", "run_id"),
    "start_date": ("job", "start_time", "iso_date"),
    "start_time": ("job", "start_time", "timestamp_ms"),
    "task_key": ("task", "name"),
    "task_retry_count": ("task", "retry_count"),
}
"""Names from before 2023, which still work, and what they stand for."""
NAMESPACES = ("job", "task", "tasks", "input", "workspace", "backfill")
"""A wrong name in one of these is an error; other braces are text."""
OF_JOB = (
    "job.id",
    "job.name",
    "job.run_id",
    "job.repair_count",
    "job.trigger.type",
    "job.trigger.file_arrival.location",
    "workspace.id",
    "workspace.url",
    *(f"job.start_time.{name}" for name in TIMES),
    *(f"job.trigger.time.{name}" for name in TIMES),
    *(f"backfill.{name}" for name in TIMES),
)
OF_ATTEMPT = ("task.name", "task.run_id", "task.execution_count", "task.retry_count")
OF_TASK = ("result_state", "error_code", "run_id", "execution_count")
IN_LOOP = ("input", "input.<key>")
FORMS = (
    *OF_JOB,
    *OF_ATTEMPT,
    "job.parameters.<name>",
    "tasks.<key>.values.<name>",
    *(f"tasks.<key>.{what}" for what in OF_TASK),
)


def split_name(name: str) -> tuple[str, ...]:
    """Return the parts of a reference's name; empty if it is text and no reference."""
    if name in OLD_NAMES:
        return OLD_NAMES[name]
    if not NAME.fullmatch(name):
        return ()
    parts = tuple(part.strip("`") for part in re.findall(PART, name))
    return parts if parts[0] in NAMESPACES else ()


def find_names(text: str) -> Iterator[str]:
    """Yield the names of the references in a text."""
    for match in REFERENCE.finditer(text):
        if split_name(match[1]):
            yield match[1]


def replace_references(text: str, find: Callable[[str], str]) -> str:
    """Return a text with every reference replaced by `find` of its name."""

    def replace(match: re.Match[str]) -> str:
        return find(match[1]) if split_name(match[1]) else match[0]

    return REFERENCE.sub(replace, text)


def texts_of(work: Work) -> tuple[str, ...]:
    """Return the texts of a task that may have references."""
    match work:
        case Wheel():
            return work.arguments
        case Condition():
            return (work.left, work.right)
        case RunJob():
            return tuple(work.parameters.values())
        case ForEach():
            return (work.inputs,)


def check_references(job: Job) -> None:
    """Raise an error for references that can never be resolved."""
    for parameter, default in job.parameters.items():
        for name in find_names(default):
            if ".".join(split_name(name)) not in OF_JOB:
                raise UnknownName("reference", name, OF_JOB, f"Job parameter '{parameter}'")
    for task in job.tasks:
        check_task(job, task, task.key, in_loop=False)
        if isinstance(task.work, ForEach):
            check_task(job, task.work.task, task.key, in_loop=True)


def check_task(job: Job, task: Task, place: str, *, in_loop: bool) -> None:
    """Check the references of a task that runs at `place` in the job."""
    for text in texts_of(task.work):
        for name in find_names(text):
            where = f"Task '{task.key}', reference '{{{{{name}}}}}'"
            match split_name(name):
                case ("job", "parameters", parameter):
                    if parameter not in job.parameters:
                        raise UnknownName("job parameter", parameter, job.parameters, where)
                case ("tasks", key, "values", _):
                    check_before(job, key, place, where)
                case ("tasks", key, what) if what in OF_TASK:
                    check_before(job, key, place, where)
                case ("input",) | ("input", _):
                    if not in_loop:
                        raise JobError(
                            f"{where}: only the task that a for_each_task repeats has an input."
                        )
                case parts:
                    if ".".join(parts) not in (*OF_JOB, *OF_ATTEMPT):
                        forms = (*FORMS, *IN_LOOP) if in_loop else FORMS
                        raise UnknownName("reference", name, forms, f"Task '{task.key}'")


def check_before(job: Job, key: str, place: str, where: str) -> None:
    """Raise an error unless the task `key` exists and runs before `place`."""
    keys = [task.key for task in job.tasks]
    if key not in keys:
        repeated = next((t.key for t in job.walk() if t.key == key), None)
        if repeated:
            raise JobError(
                f"{where}: '{key}' runs once an item, and its values cannot be referred to. "
                "Leave them in a table."
            )
        raise UnknownName("task", key, keys, f"{where}, in this run")
    if key not in job.upstream(place):
        raise JobError(f"{where}: '{key}' does not run before '{place}'. Add it to depends_on.")
