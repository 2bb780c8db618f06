"""The `{{…}}` references of a job's parameters: checked before a run, resolved in it."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .errors import JobError, UnknownName
from .graph import Job, Task

REFERENCE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")

FACTS = (
    "job.id",
    "job.name",
    "job.run_id",
    "job.start_time.iso_date",
    "job.start_time.iso_datetime",
    "job.start_time.timestamp_ms",
    "task.name",
    "task.run_id",
    "task.execution_count",
)


@dataclass(frozen=True)
class RunFacts:
    """What a reference may ask of the run and the attempt it stands in."""

    job_id: int
    run_id: int
    started: datetime
    task_run_id: int
    attempt: int


def check_references(job: Job) -> None:
    """Refuse every reference that can never be resolved, before any task starts.

    Raises:
        JobError: An unknown form, parameter or task, or a task that does not come before.
    """
    keys = [task.key for task in job.tasks]
    for task in job.tasks:
        for argument in task.arguments:
            for name in REFERENCE.findall(argument):
                where = f"Task '{task.key}', reference '{{{{{name}}}}}'"
                parts = name.split(".")
                if parts[:2] == ["job", "parameters"] and len(parts) == 3:
                    if parts[2] not in job.parameters:
                        raise UnknownName("job parameter", parts[2], job.parameters, where)
                elif is_task_value(parts):
                    if parts[1] not in keys:
                        raise UnknownName("task", parts[1], keys, f"{where}, in this run")
                    if parts[1] not in job.upstream(task.key):
                        raise JobError(
                            f"{where}: '{parts[1]}' does not run before '{task.key}'. "
                            "Add it to depends_on."
                        )
                elif name not in FACTS:
                    forms = (
                        *FACTS,
                        "job.parameters.<name>",
                        "tasks.<key>.values.<name>",
                        "tasks.<key>.result_state",
                        "tasks.<key>.run_id",
                    )
                    raise UnknownName("reference", name, forms, f"Task '{task.key}'")


def is_task_value(parts: list[str]) -> bool:
    """Tell whether a reference asks something of another task."""
    if parts[0] != "tasks":
        return False
    if len(parts) == 4:
        return parts[2] == "values"
    return len(parts) == 3 and parts[2] in ("result_state", "run_id")


def resolve_arguments(
    task: Task,
    parameters: Mapping[str, str],
    facts: RunFacts,
    job_name: str,
    of_task: Callable[[str], Mapping[str, Any]],
) -> list[str]:
    """Return a task's command line with every reference replaced.

    Args:
        task: The task about to start.
        parameters: The run's job parameters.
        facts: The run and this attempt.
        job_name: The job's name.
        of_task: Gives `{"values": {…}, "result_state": …, "run_id": …}` of a finished task.

    Raises:
        JobError: A task value that its task did not set.
    """
    own = {
        "job.id": facts.job_id,
        "job.name": job_name,
        "job.run_id": facts.run_id,
        "job.start_time.iso_date": facts.started.date().isoformat(),
        "job.start_time.iso_datetime": facts.started.isoformat(timespec="seconds"),
        "job.start_time.timestamp_ms": int(facts.started.timestamp() * 1000),
        "task.name": task.key,
        "task.run_id": facts.task_run_id,
        "task.execution_count": facts.attempt + 1,
    }

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        parts = name.split(".")
        if name in own:
            return str(own[name])
        if parts[0] == "job":
            return parameters[parts[2]]
        other = of_task(parts[1])
        if parts[2] != "values":
            return str(other[parts[2]])
        if parts[3] not in other["values"]:
            there = ", ".join(sorted(other["values"])) or "none"
            raise JobError(
                f"Task '{task.key}' asks for '{{{{{name}}}}}', but task '{parts[1]}' set no value "
                f"'{parts[3]}'. It set: {there}. Set it there with "
                f"dbutils.jobs.taskValues.set('{parts[3]}', …)."
            )
        value = other["values"][parts[3]]
        return value if isinstance(value, str) else json.dumps(value)

    return [REFERENCE.sub(replace, argument) for argument in task.arguments]
