"""Resolution of `{{…}}` references when a task starts."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..identity import WORKSPACE_ID
from .errors import JobError
from .graph import Condition, ForEach
from .outcomes import error_code
from .references import TIMES, replace_references, split_name
from .settings import as_text

MOST_ITEMS = 1000
MOST_BYTES = 48 * 1024


@dataclass(frozen=True)
class RunFacts:
    """Values of a run for references."""

    job_id: int
    job_name: str
    run_id: int
    started: datetime
    trigger: str
    address: str = ""
    repairs: int = 0

    def find(self, parts: Sequence[str]) -> object:
        """Return the value of a reference to the job, the run or the workspace."""
        match parts:
            case ["workspace", what]:
                return self.address if what == "url" else WORKSPACE_ID
            case ["backfill", time]:
                return TIMES[time](self.started)
            case ["job", *rest]:
                return self._find_in_job(rest)
        raise KeyError(parts)

    def _find_in_job(self, parts: Sequence[str]) -> object:
        match parts:
            case ["trigger", "file_arrival", "location"]:
                return ""
            case ["trigger", "type"]:
                return self.trigger.lower()
            case ["start_time", time] | ["trigger", "time", time]:
                return TIMES[time](self.started)
            case ["repair_count"]:
                return self.repairs
        return {"id": self.job_id, "name": self.job_name, "run_id": self.run_id}[parts[0]]

    def resolve(self, text: str) -> str:
        """Return a job parameter's default with its references replaced."""
        return replace_references(text, lambda name: str(self.find(split_name(name))))


@dataclass(frozen=True)
class Context:
    """Values for the references of one task.

    Attributes:
        task: Key of the task about to start.
        run: Values of the run.
        parameters: The run's job parameters.
        of_task: Returns the last attempt of a finished task.
        attempt: Document of the current attempt.
        item: Tuple with the item of a loop; empty outside of loops.
        first: Number of the first attempt since the run or its last repair was started.
    """

    task: str
    run: RunFacts
    parameters: Mapping[str, str]
    of_task: Callable[[str], Mapping[str, Any]]
    attempt: Mapping[str, Any]
    item: tuple[Any, ...] = ()
    first: int = 0

    def resolve(self, text: str, *, scalars: bool = False) -> str:
        """Return a text with every reference replaced.

        Args:
            text: The text.
            scalars: Accept strings, numbers and booleans only.

        Raises:
            JobError: A value does not exist or has an unsupported type.
        """

        def replace(name: str) -> str:
            value = self.find(name)
            if scalars and not isinstance(value, str | int | float):
                raise JobError(
                    f"Task '{self.task}' compares text, numbers and flags; "
                    f"'{{{{{name}}}}}' is {json.dumps(value)}."
                )
            return as_text(value)

        return replace_references(text, replace)

    def find(self, name: str) -> Any:
        """Return the value of a reference."""
        match split_name(name):
            case ("job", "parameters", parameter):
                return self.parameters[parameter]
            case ("job" | "workspace" | "backfill", *_) as parts:
                return self.run.find(parts)
            case ("task", "name"):
                return self.task
            case ("task", "run_id"):
                return self.attempt["run_id"]
            case ("task", "retry_count"):
                return self.attempt["attempt_number"] - self.first
            case ("task", "execution_count"):
                return self.attempt["attempt_number"] + 1
            case ("tasks", key, "values", value):
                return self.find_value(name, key, value)
            case ("tasks", key, what):
                return find_fact(self.of_task(key), what)
            case ("input",):
                return self.item[0]
            case parts:
                return self.find_part(name, parts[1])

    def find_value(self, name: str, key: str, value: str) -> Any:
        """Return a task value."""
        found = self.of_task(key)
        if value in found["values"]:
            return found["values"][value]
        there = ", ".join(sorted(found["values"])) or "none"
        result = found["state"].get("result_state")
        advice = f"Set it there with dbutils.jobs.taskValues.set('{value}', …)."
        raise JobError(
            f"Task '{self.task}' asks for '{{{{{name}}}}}', but task '{key}' set no value "
            f"'{value}'. It set: {there}. "
            + (advice if result == "SUCCESS" else f"Its result is {result}.")
        )

    def find_part(self, name: str, key: str) -> Any:
        """Return one field of a loop's item."""
        item = self.item[0]
        if not isinstance(item, dict) or key not in item:
            raise JobError(
                f"Task '{self.task}' asks for '{{{{{name}}}}}', but the item is {json.dumps(item)}."
            )
        return item[key]

    def operands(self, work: Condition) -> tuple[str, str]:
        """Return both sides of a comparison."""
        return self.resolve(work.left, scalars=True), self.resolve(work.right, scalars=True)

    def items(self, work: ForEach) -> list[Any]:
        """Return the items of a for_each_task."""
        text = self.resolve(work.inputs)
        try:
            items = json.loads(text)
        except ValueError:
            items = None
        if not isinstance(items, list):
            raise JobError(f"Task '{self.task}': inputs is a JSON list, got {text[:200]!r}.")
        size = len(text.encode())
        if size > MOST_BYTES or len(items) > MOST_ITEMS:
            raise JobError(
                f"Task '{self.task}': inputs has {len(items)} items in {size} bytes; "
                f"{MOST_ITEMS} items and {MOST_BYTES} bytes fit."
            )
        return items


def find_fact(task: Mapping[str, Any], what: str) -> object:
    """Return the value of a `{{tasks.<key>.…}}` reference other than a task value."""
    result = task["state"]["result_state"]
    match what:
        case "result_state":
            return str(result).lower()
        case "error_code":
            return error_code(result)
        case "execution_count":
            return task["attempt_number"] + ("start_time" in task)
    return task["run_id"]


def shown_arguments(
    wheel_task: Mapping[str, Any], arguments: Sequence[str]
) -> dict[str, dict[str, str] | list[str]]:
    """Return a wheel task's resolved parameters in the form of its settings."""
    if not wheel_task.get("named_parameters"):
        return {"parameters": list(arguments)}
    named = (argument.removeprefix("--").partition("=") for argument in arguments)
    return {"named_parameters": {name: value for name, _, value in named}}
