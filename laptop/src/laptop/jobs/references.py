"""The `{{…}}` references of a job's parameters: checked before a run, resolved in it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .errors import JobError, UnknownName
from .graph import Job, Task, as_text

REFERENCE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
JOB_PARAMETER = re.compile(r"job\.parameters\.([^.]+)")
OF_TASK = re.compile(r"tasks\.([^.]+)\.(values\.([^.]+)|result_state|run_id)")

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
FORMS = (
    *FACTS,
    "job.parameters.<name>",
    "tasks.<key>.values.<name>",
    "tasks.<key>.result_state",
    "tasks.<key>.run_id",
)


@dataclass(frozen=True)
class RunFacts:
    """What a reference may ask of the run and the attempt it stands in."""

    job_id: int
    job_name: str
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
        for name in (n for argument in task.arguments for n in REFERENCE.findall(argument)):
            where = f"Task '{task.key}', reference '{{{{{name}}}}}'"
            parameter, other = JOB_PARAMETER.fullmatch(name), OF_TASK.fullmatch(name)
            if parameter:
                if parameter[1] not in job.parameters:
                    raise UnknownName("job parameter", parameter[1], job.parameters, where)
            elif other:
                if other[1] not in keys:
                    raise UnknownName("task", other[1], keys, f"{where}, in this run")
                if other[1] not in job.upstream(task.key):
                    raise JobError(
                        f"{where}: '{other[1]}' does not run before '{task.key}'. "
                        "Add it to depends_on."
                    )
            elif name not in FACTS:
                raise UnknownName("reference", name, FORMS, f"Task '{task.key}'")


def resolve_arguments(
    task: Task,
    parameters: Mapping[str, str],
    facts: RunFacts,
    of_task: Callable[[str], Mapping[str, Any]],
) -> list[str]:
    """Return a task's command line with every reference replaced.

    Args:
        task: The task about to start.
        parameters: The run's job parameters.
        facts: The run and this attempt.
        of_task: Gives a finished task's `values`, `state` and `run_id`.

    Raises:
        JobError: A task value that its task did not set.
    """
    own = {
        "job.id": facts.job_id,
        "job.name": facts.job_name,
        "job.run_id": facts.run_id,
        "job.start_time.iso_date": facts.started.date().isoformat(),
        "job.start_time.iso_datetime": facts.started.isoformat(timespec="seconds"),
        "job.start_time.timestamp_ms": int(facts.started.timestamp() * 1000),
        "task.name": task.key,
        "task.run_id": facts.task_run_id,
        "task.execution_count": facts.attempt + 1,
    }

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name in own:
            return str(own[name])
        parameter = JOB_PARAMETER.fullmatch(name)
        if parameter:
            return parameters[parameter[1]]
        _, key, what, *value = name.split(".")
        other = of_task(key)
        if what == "result_state":
            return str(other["state"]["result_state"]).lower()
        if what == "run_id":
            return str(other["run_id"])
        if value[0] not in other["values"]:
            there = ", ".join(sorted(other["values"])) or "none"
            raise JobError(
                f"Task '{task.key}' asks for '{{{{{name}}}}}', but task '{key}' set no value "
                f"'{value[0]}'. It set: {there}. Set it there with "
                f"dbutils.jobs.taskValues.set('{value[0]}', …)."
            )
        return as_text(other["values"][value[0]])

    return [REFERENCE.sub(replace, argument) for argument in task.arguments]


def shown_arguments(
    wheel_task: Mapping[str, Any], arguments: Sequence[str]
) -> dict[str, dict[str, str] | list[str]]:
    """Return a wheel task's resolved command line in the form its parameters were given in."""
    named = wheel_task.get("named_parameters")
    if not named:
        return {"parameters": list(arguments)}
    values = (argument.partition("=")[2] for argument in arguments)
    return {"named_parameters": dict(zip(named, values, strict=True))}
