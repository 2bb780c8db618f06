"""Parsing of a task's command line into typed parameters."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError


class ParameterError(Exception):
    """A task was started with invalid parameters."""


def read_instant(value: object) -> datetime:
    """Return an exclusive UTC instant from an ISO date or timestamp; empty means now.

    Raises:
        ValueError: The value has another format.
    """
    if isinstance(value, datetime):
        return value
    if not value:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError(
            "must be an ISO date or timestamp in UTC, as 2013-11-01 or 2013-11-01T06:00:00Z; "
            "empty means now"
        ) from None
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)


def read_switch(value: object) -> bool:
    """Return the boolean of `true` or `false`.

    Raises:
        ValueError: The value is neither.
    """
    if isinstance(value, bool):
        return value
    if value not in ("true", "false"):
        raise ValueError("must be true or false")
    return value == "true"


Instant = Annotated[datetime, BeforeValidator(read_instant)]
Switch = Annotated[bool, BeforeValidator(read_switch)]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
FullName = Annotated[str, Field(pattern=r"^[^.\s]+\.[^.\s]+\.[^.\s]+$")]
SchemaName = Annotated[str, Field(pattern=r"^[^.\s]+\.[^.\s]+$")]


class Parameters(BaseModel):
    """Parameters of a task, as `--name=value`; those without a default are required.

    Several tasks have these:

    Attributes:
        model: Full name of the registered model.
        source: Schema of the sources and feature tables, with its catalog.
        target: Schema that the task writes to, with its catalog.
        as_of: Exclusive instant up to which rows are known.
        policy: Policy file under conf/.
        rollout: Roll-out file under conf/.
        experiment: Experiment of the job's runs.
        environment: The bundle's target.
        job_run: Run of the job.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def parse(cls, arguments: Sequence[str] | None = None) -> Self:
        """Return the parameters of a command line.

        Args:
            arguments: The command line; that of the process if None.

        Raises:
            ParameterError: Unknown, missing, doubled, unresolved or ill-formed parameters.
        """
        given: dict[str, str] = {}
        for argument in sys.argv[1:] if arguments is None else arguments:
            name, equals, value = argument.removeprefix("--").partition("=")
            if not argument.startswith("--") or not equals:
                raise ParameterError(f"Parameters are --name=value; got {argument!r}.")
            if name in given:
                raise ParameterError(f"Parameter '{name}' is given twice.")
            if "{{" in value:
                raise ParameterError(
                    f"Parameter '{name}' is {value!r}: the job did not resolve that reference. "
                    "The task it names must run before this one and set the value."
                )
            given[name] = value
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            allowed = ", ".join(cls.model_fields)
            faults = "; ".join(
                explain(fault["loc"], given, fault["msg"]) for fault in error.errors()
            )
            raise ParameterError(f"{faults}. Parameters of this task: {allowed}.") from None


def explain(location: tuple[int | str, ...], given: dict[str, str], message: str) -> str:
    """Return the error message for one parameter."""
    name = ".".join(map(str, location))
    text = message.removeprefix("Value error, ")
    return f"'{name}' is {given[name]!r}: {text}" if name in given else f"'{name}': {text}"


def in_schema(schema: str, table: str) -> str:
    """Return a table's full name."""
    return f"{schema}.{table}"
